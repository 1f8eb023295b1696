"""The program that runs a gunicorn.conf.py in a separate process, because the file may print, exit, fork or raise.

It is run by its path, imports nothing of wiverno, and writes what the file has set into another file, as JSON:

    {"values": {name: value}, "others": {name: "function" or the value's type}, "raised": …, "line": …, "exit": …}
"""

from __future__ import annotations

import json
import sys
import traceback
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the file that the command line names, and write its settings to the second file named."""
    path, result, *names = sys.argv[1:]
    sys.argv = ["gunicorn"]
    sys.path.insert(0, str(Path.cwd()))
    found = execute(str(Path(path).absolute()), names)
    Path(result).write_text(json.dumps(found), encoding="utf-8")


def execute(path: str, names: list[str]) -> dict[str, Any]:
    """Run a configuration as gunicorn does, and return its settings."""
    loader = SourceFileLoader("__config__", path)
    spec = spec_from_loader("__config__", loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules["__config__"] = module
    sys.dont_write_bytecode = True
    found: dict[str, Any] = {"values": {}, "others": {}, "raised": "", "line": 0, "exit": None}
    try:
        loader.exec_module(module)
    except SystemExit as error:
        found["exit"] = str(error.code)
        found["line"] = find_line(error, path)
    except BaseException as error:  # noqa: BLE001 - the file is a program; its exceptions are its mistakes
        found["raised"] = f"{type(error).__name__}: {error}"
        found["line"] = find_line(error, path)
    for name in names:
        if name in vars(module):
            store_value(name, vars(module)[name], found)
    return found


def find_line(error: BaseException, path: str) -> int:
    """Return the last line of the file that the exception came through; of a syntax error its own."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno or 0
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return (lines or [0])[-1] or 0


def store_value(name: str, value: object, found: dict[str, Any]) -> None:
    """Store a value, or its type if JSON has no such value."""
    try:
        found["values"][name] = json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        found["others"][name] = "function" if callable(value) else type(value).__name__


if __name__ == "__main__":
    main()
