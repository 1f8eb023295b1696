"""The mounts of a server around its application: a request for a file is answered here, every other one there.

It is a WSGI callable, so the server treats its responses as the application's: access log, metrics, deadlines, HTTP/2
and the change of the lead when a disk blocks are the same. It differs in one thing: it needs none of the application's
threads, see ``core/threads/file_leader.py``.

    path → mount → names → entry → preconditions → ranges → response
"""

import os
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

from wiverno.foreign_code import guarded_logger
from wiverno.http.response import Headers, error_fields, reason_of
from wiverno.static.encodings import accepted_codings
from wiverno.static.mounts import Mount, MountTable
from wiverno.static.names import split_path
from wiverno.static.opening import open_below, status_of
from wiverno.static.representations import Entry, EntryTable, Representation, describe
from wiverno.static.responses import FileChanged, Refused, respond, will_open
from wiverno.wsgi_types import Application, Environ, StartResponse

logger = guarded_logger("wiverno")

READING: Final = ("GET", "HEAD")
ATTEMPTS: Final = 3  # looks at a file that changes between being described and being opened

_DETAILS: Final = {
    301: "The directory's path ends with a slash",
    403: "The server may not read this file",
    404: "There is no such file",
    405: "Files answer GET and HEAD",
    412: "The file is not the version that the request names",
    416: "The file has no such part",
    503: "The file can't be read now",
}


class StaticSite:
    """Answers requests for the files of its mounts; any thread may call it.

    Attributes:
        application: answers every other request.
    """

    def __init__(self, application: Application, mounts: Sequence[Mount], ident: str) -> None:
        """Put the mounts around an application; `ident` signs the error responses."""
        self.application = application
        self._mounts = mounts
        self._ident = ident
        self._table = MountTable(mounts)
        self._prefixes = self._table.prefixes
        self._entries = EntryTable()

    def __repr__(self) -> str:
        return f"<StaticSite {', '.join(mount.path for mount in self._mounts)} around {self.application!r}>"

    def around(self, application: Application) -> "StaticSite":
        """Return the same mounts around another application."""
        return StaticSite(application, self._mounts, self._ident)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or have the application answer it."""
        path = environ["PATH_INFO"]
        if path.startswith(self._prefixes):
            body = self._answer(path, environ, start_response)
            if body is not None:
                return body
        return self.application(environ, start_response)

    # ---------------------------------------------------------------- who answers

    def find_owner(self, method: str, path: str) -> Mount | None:
        """Return the mount that answers a request, None if the application may have to; without a look at the disk.

        With a fallback only what is known as a file is the mount's.
        """
        found = self._table.find(path) if path.startswith(self._prefixes) else None
        if found is None:
            return None
        mount = found[0]
        if mount.fallback and (method not in READING or self._entries.get(path) is None):
            return None
        return mount

    # ---------------------------------------------------------------- the answer

    def _answer(self, path: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes] | None:
        """Answer from what is known of a file, or after a look at the disk; None if the application must."""
        entry = self._entries.get(path)
        if entry is None or environ["REQUEST_METHOD"] not in READING:
            return self._answer_unknown(path, environ, start_response)
        chosen = _choose(entry, environ)
        if not entry.is_current(chosen, will_open=chosen.content is None and will_open(environ, chosen)):
            self._entries.discard(path)
            return self._answer_unknown(path, environ, start_response)
        try:
            return respond(entry, chosen, environ, start_response)
        except FileChanged:
            self._entries.discard(path)
            return self._answer_unknown(path, environ, start_response)
        except Refused as refusal:
            return self._refuse(refusal.status, environ, start_response, refusal.fields)

    def _answer_unknown(self, path: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes] | None:
        """Look at the disk and answer; None if the application must."""
        found = self._table.find(path)
        if found is None:
            return None
        mount, rest = found
        if environ["REQUEST_METHOD"] not in READING:
            return None if mount.fallback else self._refuse(405, environ, start_response, [("Allow", "GET, HEAD")])
        status = 503
        for _ in range(ATTEMPTS):
            entry = self._look_up(mount, rest)
            if not isinstance(entry, Entry):
                status = entry
                break
            try:
                body = respond(entry, _choose(entry, environ), environ, start_response)
            except FileChanged:
                continue
            except Refused as refusal:
                return self._refuse(refusal.status, environ, start_response, refusal.fields)
            self._entries.add(path, entry)
            return body
        if status == 301:
            return self._refuse(301, environ, start_response, [("Location", _location(path, environ))])
        return None if mount.fallback and status != 503 else self._refuse(status, environ, start_response)

    def _look_up(self, mount: Mount, rest: str | None) -> Entry | int:
        """Return the entry of the file that follows a mount; the status of the response if there is none."""
        names = split_path(rest or "")
        if names is None:
            return 404
        if not names[-1]:
            if not mount.index:
                return 404
            if rest is None:
                return 301 if self._has_index(mount, []) else 404
            names[-1] = mount.index
        try:
            return describe(mount, names)
        except IsADirectoryError:
            return 301 if self._has_index(mount, names) else 404
        except OSError as error:
            status = status_of(error)
            if status == 503:
                logger.error("a file of the mount %s can't be read: %s", mount.path, error)
            return status

    def _has_index(self, mount: Mount, names: Sequence[str]) -> bool:
        if not mount.index:
            return False
        try:
            fd, _ = open_below(mount.directory, [*names, mount.index], follow_symlinks=mount.follow_symlinks)
        except OSError:
            return False
        os.close(fd)
        return True

    def _refuse(
        self, status: int, environ: Environ, start_response: StartResponse, fields: Headers | None = None
    ) -> Iterable[bytes]:
        """Send one of the server's own responses."""
        own, content = error_fields(status, _DETAILS[status], self._ident)
        start_response(f"{status} {reason_of(status)}", [*own, *(fields or [])])
        return () if environ["REQUEST_METHOD"] == "HEAD" else [content]


def _choose(entry: Entry, environ: Environ) -> Representation:
    """Return the form of a file that a request is answered with."""
    if entry.codings and "HTTP_ACCEPT_ENCODING" in environ:
        return entry.choose(accepted_codings(environ["HTTP_ACCEPT_ENCODING"]))
    return entry.plain


def _location(path: str, environ: Environ) -> str:
    """Return where a directory without its last slash is: a relative reference, which leads to no other host."""
    name = quote(path.rpartition("/")[2].encode("latin-1"), safe="")
    query = environ.get("QUERY_STRING")
    return f"{name}/?{query}" if query else f"{name}/"
