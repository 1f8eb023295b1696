"""The settings of a gunicorn.conf.py that is run (`--run`): it is a program, and runs in a separate process.

Its output does not get into the conversion. Output, exceptions and an end of the process are reported.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wiverno.config.convert.gunicorn import GUNICORN
from wiverno.config.errors import ConfigError, Origin, Problem, quote_value
from wiverno.config.formats.text import BadTextError, decode, template_hint

TIMEOUT: Final = 60.0  # seconds that the file may take
_CHILD: Final = Path(__file__).with_name("gunicorn_child.py")


@dataclass(frozen=True, slots=True)
class GunicornFile:
    """The settings of a gunicorn.conf.py with their places.

    Attributes:
        values: text, numbers, lists, tables, and `Reference` for variables of the environment.
        others: functions and other values that are none of these: what they are.
        printed: what the file has printed, if it was run.
        unread: settings whose value was not found.
        remarks: what should be known of values that were.
    """

    values: Mapping[str, tuple[object, Origin]]
    others: Mapping[str, tuple[str, Origin]]
    printed: tuple[tuple[str, str], ...] = ()
    unread: tuple[Problem, ...] = ()
    remarks: tuple[Problem, ...] = ()


def read_gunicorn_file(name: str) -> GunicornFile:
    """Run a gunicorn.conf.py and return its settings.

    Raises:
        ConfigError: it cannot be read, raises, exits, or does not end.
    """
    lines = _lines(name)
    with tempfile.TemporaryDirectory() as folder:
        result, out, err = (Path(folder) / part for part in ("result", "out", "err"))
        command = [sys.executable, "-P", str(_CHILD), name, str(result), *sorted(GUNICORN)]
        with out.open("wb") as standard, err.open("wb") as errors:
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=standard, stderr=errors, timeout=TIMEOUT, check=False
                )
            except subprocess.TimeoutExpired:
                raise ConfigError([Problem(f"did not end within {TIMEOUT:g} s", Origin("file", name))]) from None
        printed = tuple((words, _text(file)) for words, file in (("output", out), ("error", err)))
        found = _result(result, name, done.returncode, printed)
    _refuse_unfinished(found, name, lines)
    values = {key: (value, _find_assignment(name, lines, key)) for key, value in found["values"].items()}
    others = {key: (kind, _find_assignment(name, lines, key)) for key, kind in found["others"].items()}
    return GunicornFile(values, others, tuple((words, text) for words, text in printed if text))


def _lines(name: str) -> list[str]:
    """Return the lines of a file, for places only: Python has its own rules for the encoding."""
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise ConfigError([Problem((error.strerror or "cannot be read").lower(), Origin("file", name))]) from None
    try:
        return decode(data, name).split("\n")
    except BadTextError:
        return data.decode("latin-1").splitlines()


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace").strip()


def _result(result: Path, name: str, status: int, printed: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return what the child has written; nothing if the file has ended the process."""
    try:
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        how = f"was killed by signal {-status}" if status < 0 else f"ended the process with status {status}"
        said = next((text.splitlines()[-1] for _, text in reversed(printed) if text), None)
        hint = f"it printed: {said}" if said else None
        raise ConfigError([Problem(f"cannot be run: it {how}", Origin("file", name), hint=hint)]) from None
    return found


def _refuse_unfinished(found: Mapping[str, Any], name: str, lines: list[str]) -> None:
    """Raise if the program did not reach its end: its settings are incomplete then."""
    if found["exit"] is None and not found["raised"]:
        return
    number = found["line"]
    origin = Origin("file", name, number, 0, lines[number - 1]) if 0 < number <= len(lines) else Origin("file", name)
    reason = found["raised"] or f"it called sys.exit({found['exit']})"
    hint = None
    if found["raised"].startswith(("ModuleNotFoundError", "ImportError")):
        hint = "the file is run: install what it imports, or convert it in the application's environment"
    elif found["raised"].startswith("SyntaxError"):
        hint = template_hint("\n".join(lines))
    raise ConfigError([Problem(f"cannot be run: {reason}", origin, hint=hint)])


def _find_assignment(name: str, lines: list[str], key: str) -> Origin:
    """Return the place of the last line that assigns or defines a name."""
    for number in range(len(lines), 0, -1):
        line = lines[number - 1]
        if line.startswith((f"{key} ", f"{key}=", f"{key}:", f"def {key}(")):
            column = line.index(key) + 1
            return Origin("file", name, number, column, line, len(key), column, len(key))
    return Origin("file", name)


def first_words(text: str) -> str:
    """Return the beginning of the output, for a note of one line."""
    lines = text.splitlines()
    return quote_value(lines[0]) + (f" and {len(lines) - 1} more line(s)" if len(lines) > 1 else "")
