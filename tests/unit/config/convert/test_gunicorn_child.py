"""What the program that runs a gunicorn.conf.py finds there, run in this process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from wiverno.config.convert import gunicorn_child


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter's state is as before afterwards."""
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setitem(sys.modules, "__config__", sys)


def test_values_and_the_types_of_others(tmp_path: Path) -> None:
    """JSON's values are settings; of a function or an object only its type is told."""
    file = tmp_path / "gunicorn.conf.py"
    file.write_text("workers = 2\nbind = ['a:1']\ndef on_starting(server): pass\nraw = {1, 2}\nother = 3\n")
    found = gunicorn_child.execute(str(file), ["workers", "bind", "on_starting", "raw", "absent"])
    assert found["values"] == {"workers": 2, "bind": ["a:1"]}
    assert found["others"] == {"on_starting": "function", "raw": "set"}
    assert (found["raised"], found["line"], found["exit"]) == ("", 0, None)


@pytest.mark.parametrize(
    ("text", "raised", "line", "status"),
    [
        ("workers = 2\n1 / 0\n", "ZeroDivisionError: division by zero", 2, None),
        ("def f():\n    raise KeyboardInterrupt\nf()\n", "KeyboardInterrupt: ", 2, None),
        ("workers = = 2\n", "SyntaxError: invalid syntax", 1, None),
        ("workers = 2\nraise SystemExit(3)\n", "", 2, "3"),
    ],
)
def test_exceptions_have_their_line(tmp_path: Path, text: str, raised: str, line: int, status: str | None) -> None:
    """What the program has set until then is found, too."""
    file = tmp_path / "gunicorn.conf.py"
    file.write_text(text)
    found = gunicorn_child.execute(str(file), ["workers"])
    assert found["raised"].startswith(raised)
    assert (found["line"], found["exit"]) == (line, status)


def test_the_result_is_written_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file sees gunicorn's command line, and can import what lies in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gunicorn.conf.py").write_text("import sys\nfrom numbers_of_shop import workers\nname = sys.argv\n")
    (tmp_path / "numbers_of_shop.py").write_text("workers = 5\n")
    monkeypatch.setattr(sys, "argv", ["child", "gunicorn.conf.py", "out.json", "workers", "name"])
    gunicorn_child.main()
    assert json.loads((tmp_path / "out.json").read_text())["values"] == {"workers": 5, "name": ["gunicorn"]}
