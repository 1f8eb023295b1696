"""Where an application is mounted during a request, so that ``url_for`` returns addresses that lead back to it.

A server's ``url_prefix`` or a middleware that mounts applications sets SCRIPT_NAME (PEP 3333). Only a request that has
one costs time here. The value is valid for the code that runs during the request: the handler, its templates, its error
pages and the generator of a streamed body, but not for threads that it starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote

from wiverno.web.response import close_body

# Applications by their id() → where each is mounted: one application may call another during a request.
MOUNTS: ContextVar[Mapping[int, str]] = ContextVar("wiverno.mounts", default={})  # noqa: B039  # it is never changed


def mount_point(environ: Mapping[str, Any]) -> str:
    """Return SCRIPT_NAME percent-encoded, with one slash at the front and none at the end; empty at the top.

    A second slash at the front would make an address another host's (RFC 3986 §4.2).
    """
    name: str = environ.get("SCRIPT_NAME", "").strip("/")
    return "/" + quote(name.encode("latin-1")) if name else ""


class MountedBody:
    """A streamed body whose generator sees the mount points of its request."""

    def __init__(self, body: Iterable[bytes], mounts: Mapping[int, str]) -> None:
        self._body = body
        self._mounts = mounts
        self._items: Iterator[bytes] | None = None

    def __iter__(self) -> MountedBody:
        return self

    def __next__(self) -> bytes:
        token = MOUNTS.set(self._mounts)
        try:
            if self._items is None:
                self._items = iter(self._body)
            return next(self._items)
        finally:
            MOUNTS.reset(token)

    def close(self) -> None:
        """Close the body (PEP 3333)."""
        token = MOUNTS.set(self._mounts)
        try:
            close_body(self._body)
        finally:
            MOUNTS.reset(token)
