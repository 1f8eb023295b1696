"""What is secret, and how it is hidden: in reports of the configuration, in tracebacks and on pages for developers.

A name is the only sign of a secret, so names decide: of settings, variables, header fields, query parameters. The only
exception is a password inside a URL. wiverno's own settings declare it (`secret`); this is about everything else. A
`Masker` also remembers the secret *values* that it has met and removes them from any text: the message of an exception
then does not show what the variable beside it hides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

MASK: Final = "***"

_CREDENTIAL: Final = r"passw|passphrase|passcode|secret|token|credential|(?:access|api|private|secret|signing)[._-]?key"
# A setting of an application called just "key" is one; its `session.timeout` or `auth.policy` hides nothing.
_SETTING: Final = re.compile(rf"{_CREDENTIAL}|(?:^|[._-])(?:pass|pwd|key|dsn)$", re.IGNORECASE)
# A variable or header field: "key" is any dictionary's, but a session, a cookie or a signature lets others act.
_VARIABLE_WORDS: Final = (
    rf"{_CREDENTIAL}|pass(?:wd)?s?(?![a-z])|pwd|private|auth(?!or)|authori[sz]|cookie|session|signature|csrf|dsn|salt"
)
_VARIABLE: Final = re.compile(_VARIABLE_WORDS, re.IGNORECASE)

# scheme://user:password@host
_URL_PASSWORD: Final = re.compile(r"(://[^/\s:@\"']*:)[^/\s@]+(?=@)")
# A reference without a default shows no more than a name.
_REFERENCE: Final = re.compile(r"\$\{(?:file:[^}]*|[^}:]*)\}")
# A key of a configuration file with its separator.
_KEY: Final = re.compile(r"([A-Za-z0-9_.-]+)[\"']?\s*[=:]\s*(?=\S)")
# password = 'x', "token": "x", secret=x … in source lines and in the text of objects
_ASSIGNED: Final = re.compile(
    rf"(?P<before>[\w-]*(?:{_VARIABLE_WORDS})[\w-]*[\"']?\s*(?:=(?!=)|:)\s*)"
    r"(?P<value>[bru]*\"(?:[^\"\\\n]|\\.)*\"|[bru]*'(?:[^'\\\n]|\\.)*'|[^\s,;()\[\]{}<>\"']+)",
    re.IGNORECASE,
)
# Shorter values would take common words out of the text.
_SHORTEST_VALUE: Final = 4
_MOST_VALUES: Final = 200


def is_secret_setting(name: str, value: object) -> bool:
    """Return whether a setting of an application is secret; one that is only `${NAME}` or `${file:…}` is not."""
    if isinstance(value, str) and _REFERENCE.fullmatch(value.strip()):
        return False
    return bool(_SETTING.search(name)) or (isinstance(value, str) and bool(_URL_PASSWORD.search(value)))


def is_secret_name(name: str) -> bool:
    """Return whether a variable, header field or parameter of this name is secret."""
    return _VARIABLE.search(name) is not None


def mask_url(text: str) -> str:
    """Return a text without the passwords in addresses like `postgres://user:password@host`."""
    return _URL_PASSWORD.sub(rf"\1{MASK}", text)


def mask_value(name: str, value: object) -> str:
    """Return a named value as text, masked if it is secret."""
    return MASK if is_secret_name(name) else mask_url(str(value))


def mask_line(line: str, key: str = "") -> str:
    """Return a line of a configuration file without its secrets: it ends at the first secret value.

    Args:
        line: the line.
        key: the setting that the line belongs to, for a line that only continues a value.
    """
    for match in _KEY.finditer(line):
        value = line[match.end() :].strip().strip("\"'")
        if _SETTING.search(match[1]) and not _REFERENCE.match(value):
            return line[: match.end()] + MASK
    if _SETTING.search(key) and not _REFERENCE.search(line):
        return MASK
    return mask_url(line)


class Masker:
    """Removes secret values from text; `learn` every named value first."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def learn(self, name: str, value: object, depth: int = 3) -> None:
        """Remember the value if its name is secret; look into dictionaries."""
        if isinstance(value, Mapping) and depth > 0:
            for key, inner in list(value.items())[:100]:
                self.learn(f"{name}.{key}" if is_secret_name(name) else str(key), inner, depth - 1)
        elif len(self._values) < _MOST_VALUES and is_secret_name(name):
            self._remember(value)

    def _remember(self, value: object) -> None:
        if isinstance(value, bytes | bytearray):
            value = bytes(value).decode("utf-8", "replace")
        if isinstance(value, str) and len(value) >= _SHORTEST_VALUE:
            self._values.add(value)
            # As repr() writes it inside another text.
            self._values.add(repr(value)[1:-1])
            # "Bearer abc" is as secret without its scheme.
            self._values.update(word for word in value.split() if len(word) >= 2 * _SHORTEST_VALUE)

    def text(self, text: str) -> str:
        """Return the text without the known secrets, and without the values assigned to secret names in it."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, MASK)
        return mask_url(_ASSIGNED.sub(lambda match: match["before"] + MASK, text))
