"""What must not be shown: values whose name says that they are secret, and passwords inside URLs.

wiverno's own settings say it themselves (`secret` in their declaration); this is about the settings of applications,
and about lines of files, which can hold anything.
"""

from __future__ import annotations

import re

MASK = "***"

_WORD = (
    r"passw|passphrase|(?:^|[._-])(?:pass|pwd|key|dsn)$|(?:access|api|private|secret|signing)[._-]?key"
    r"|secret|token|credential"
)
_NAME = re.compile(_WORD, re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+(?=@)")
# A reference without a default gives nothing away but a name.
_REFERENCE = re.compile(r"\$\{(?:file:[^}]*|[^}:]*)\}")
_ASSIGNMENT = re.compile(r"([A-Za-z0-9_.-]+)[\"']?\s*[=:]\s*(?=\S)")


def is_secret(name: str, value: object) -> bool:
    """Return whether an application's value is to be masked; one that is only `${NAME}` or `${file:…}` is not."""
    if isinstance(value, str) and _REFERENCE.fullmatch(value.strip()):
        return False
    return bool(_NAME.search(name)) or (isinstance(value, str) and bool(_URL_PASSWORD.search(value)))


def masked_line(line: str, key: str = "") -> str:
    """Return a line of a file without its secrets: from the first secret value on nothing is shown.

    Args:
        line: the line.
        key: what the line is known to belong to, for lines that only continue a value.
    """
    for match in _ASSIGNMENT.finditer(line):
        value = line[match.end() :].strip().strip("\"'")
        if _NAME.search(match[1]) and not _REFERENCE.match(value):
            return line[: match.end()] + MASK
    if _NAME.search(key) and not _REFERENCE.search(line):
        return MASK
    return _URL_PASSWORD.sub(rf"\1{MASK}", line)
