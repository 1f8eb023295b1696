"""What must not be shown: values whose name says that they are secret, wherever they turn up.

A name is the only sign of a secret, so everything is decided by names: of variables, settings, header fields, query
parameters. A ``Masker`` also remembers the secret *values* it met, and takes them out of any text afterwards; an
exception's message does not leak what the variable beside it would not show.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MASK = "••••••"

_SECRET_WORDS = (
    r"pass(?:word|wd|phrase|code)?s?(?![a-z])|pwd|secret|token|api[-_]?key|access[-_]?key|private|credential|auth(?!or)|authori[sz]|"
    r"cookie|session|signature|csrf|dsn|salt"
)
_SECRET_NAME = re.compile(_SECRET_WORDS, re.IGNORECASE)
# scheme://user:password@host
_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:'\"]*):[^/@\s]+@")
# password = 'x', "token": "x", secret=x … as they stand in source lines and in the text of objects
_ASSIGNED = re.compile(
    rf"(?P<before>[\w-]*(?:{_SECRET_WORDS})[\w-]*[\"']?\s*(?:=(?!=)|:)\s*)"
    r"(?P<value>[bru]*\"(?:[^\"\\\n]|\\.)*\"|[bru]*'(?:[^'\\\n]|\\.)*'|[^\s,;()\[\]{}<>\"']+)",
    re.IGNORECASE,
)
# Shorter values would take common words out of the text.
_SHORTEST_VALUE = 4
_MOST_VALUES = 200


def is_secret_name(name: str) -> bool:
    """Whether what is called so is not to be shown."""
    return _SECRET_NAME.search(name) is not None


def mask_url(text: str) -> str:
    """Take passwords out of addresses like ``postgres://user:password@host``."""
    return _URL_PASSWORD.sub(rf"\1:{MASK}@", text)


def shown(name: str, value: object) -> str:
    """Return a named value as text that may be shown."""
    return MASK if is_secret_name(name) else mask_url(str(value))


class Masker:
    """Takes secrets out of text; first let it ``learn`` every named value there is."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def learn(self, name: str, value: object, depth: int = 3) -> None:
        """Remember the value if its name says it is secret; look into dictionaries."""
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
        """Return the text without the secrets known, and without what is assigned to a secret name in it."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, MASK)
        return mask_url(_ASSIGNED.sub(lambda match: match["before"] + MASK, text))
