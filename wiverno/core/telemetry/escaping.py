"""What clients have sent as text that fits into one line of a log."""

import re
from typing import Final

_UNSAFE: Final = re.compile(r"[^\x20-\x7e]")


def escape(value: object) -> str:
    r"""Return text for between quotes: `\"`, `\\`, and `\xNN` for what is not printable ASCII."""
    return one_line(str(value).replace("\\", "\\\\").replace('"', '\\"'))


def one_line(text: str) -> str:
    r"""Return text with `\xNN`, `\uNNNN` or `\UNNNNNNNN` for what is not printable ASCII."""
    return _UNSAFE.sub(lambda match: _code(ord(match[0])), text)


def _code(point: int) -> str:
    return f"\\x{point:02x}" if point < 256 else f"\\u{point:04x}" if point < 65536 else f"\\U{point:08x}"
