"""What a gunicorn.conf.py has set, run in this process; that it runs in one of its own is the converter's test."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.convert.gunicorn_child import execute, main

NAMES = ["bind", "workers", "on_exit", "logger_class", "raw_env"]


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the program changes in its process comes back."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
    monkeypatch.setitem(sys.modules, "__config__", sys)


def result(tmp_path: Path, text: str) -> dict[str, Any]:
    (tmp_path / "gunicorn.conf.py").write_text(text)
    return execute(str(tmp_path / "gunicorn.conf.py"), NAMES)


def test_values_are_told_from_what_json_does_not_have(tmp_path: Path) -> None:
    """Names that were not asked for are left out."""
    found = result(tmp_path, "bind = ('a', 'b')\nworkers = 2 * 3\nother = 1\n"
                             "def on_exit(server): pass\nclass logger_class: pass\nraw_env = [object()]\n")  # fmt: skip
    assert found["values"] == {"bind": ["a", "b"], "workers": 6}
    assert found["others"] == {"on_exit": "function", "logger_class": "function", "raw_env": "list"}
    assert (found["raised"], found["exit"]) == ("", None)


@pytest.mark.parametrize(
    ("text", "raised", "line", "ended"),
    [
        ("workers = 2\n1 / 0\n", "ZeroDivisionError: division by zero", 2, None),
        ("workers = 2\n\nworkers = = 3\n", "SyntaxError: ", 3, None),
        ("workers = 2\nimport sys\nsys.exit('no')\n", "", 3, "no"),
        ("workers = 2\nimport json\njson.loads('x')\n", "JSONDecodeError: ", 3, None),
        ("workers = 2\nraise KeyboardInterrupt\n", "KeyboardInterrupt: ", 2, None),
    ],
)
def test_what_it_raises_has_the_line_of_the_file(
    tmp_path: Path, text: str, raised: str, line: int, ended: str | None
) -> None:
    found = result(tmp_path, text)
    assert found["raised"].startswith(raised)
    assert (found["line"], found["exit"]) == (line, ended)
    assert found["values"].get("workers", 2) == 2


def test_the_program_writes_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file sees gunicorn's command line and imports from the current directory."""
    (tmp_path / "settings_of_test_gunicorn_child.py").write_text("WORKERS = 5\n")
    (tmp_path / "gunicorn.conf.py").write_text(
        "import sys\nfrom settings_of_test_gunicorn_child import WORKERS as workers\nbind = sys.argv\n"
    )
    monkeypatch.chdir(tmp_path)
    sys.argv[1:] = ["gunicorn.conf.py", "out.json", *NAMES]
    main()
    assert json.loads(Path("out.json").read_text())["values"] == {"workers": 5, "bind": ["gunicorn"]}
