"""Files that are generated: written, or compared with what would be written (`--check`)."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def write_or_check(arguments: Sequence[str], text_of: Callable[[str], str], command: str) -> int:
    """Write the files named, or with `--check` report those that are outdated; return the exit status.

    Args:
        arguments: of the command line: file names and `--check`.
        text_of: returns the text of the file of a name.
        command: what writes them, for the message.
    """
    status = 0
    for name in arguments:
        if name.startswith("-"):
            continue
        path, text = Path(name), text_of(name)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{name} is outdated: run {command} {name}\n")
            status = 1
    return status
