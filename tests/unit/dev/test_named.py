"""An application that the command line names, with the configuration's surroundings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.wsgi import call
from wiverno.config import environment
from wiverno.dev.named import load_named


@pytest.mark.parametrize("use", [None, "named_in_a_test:make"])
def test_with_a_configuration(use: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directory, import path and variables are the configuration's; its application counts if none is named."""
    monkeypatch.setattr(environment, "_replaced", {})
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("NAMED_WORD", "before")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "named_in_a_test.py").write_text(
        "import os\ndef make():\n    word = os.environ['NAMED_WORD']\n    def app(environ, start_response):\n"
        "        start_response('200 OK', [])\n        return [word.encode()]\n    return app\n"
    )
    (tmp_path / "w.toml").write_text(
        '[app]\nuse = "named_in_a_test:make"\nfactory = true\n[server]\nenv = { NAMED_WORD = "of the first" }\n'
        '["server:second"]\nchdir = "home"\nenv = { NAMED_WORD = "${WORD}" }\n'
    )
    app = load_named("w.toml", use, factory=use is not None, variables={"WORD": "hi"}, server_name="second")
    assert call(app).body == b"hi"
    assert Path.cwd() == tmp_path / "home"
    assert os.environ["NAMED_WORD"] == "hi"
    sys.modules.pop("named_in_a_test")
