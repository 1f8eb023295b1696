"""Files as responses: ``send_file`` for one file, ``StaticFiles`` for a folder that no path leaves.

A file goes to the server as a file, through ``wsgi.file_wrapper``, so that the server can hand it to the operating
system without reading it. For a server that does not stop at Content-Length, a part of a file is a ``FilePart``.
"""

from __future__ import annotations

import os
import re
import stat
from os import PathLike
from pathlib import Path
from typing import IO
from urllib.parse import quote

from werkzeug.http import dump_options_header

from wiverno.http.response import http_date
from wiverno.static.conditions import Verdict, Version, check_preconditions
from wiverno.static.media_types import type_of
from wiverno.static.names import is_leftover, is_plain_name
from wiverno.web.errors import HTTPError
from wiverno.web.ranges import wanted_part
from wiverno.web.request import Request
from wiverno.web.response import Response


def send_file(
    request: Request,
    path: str | PathLike[str],
    *,
    content_type: str | None = None,
    download_as: str | None = None,
    max_age: int | None = None,
    conditional: bool = True,
) -> Response:
    """Answer with a file, whole or in part, or with 304 if the client's copy is current.

    Args:
        request: The request; its conditions and its Range are obeyed.
        path: The file. It is the application's word: for names that clients send there is ``StaticFiles``.
        content_type: Its media type; by default that of its name.
        download_as: Let the browser save it under this name instead of showing it.
        max_age: How many seconds a cache may keep it without asking; None says nothing about caching.
        conditional: Whether the request's conditions and Range count; without them the file is sent whole.

    Raises:
        HTTPError: 404 without such a regular file, 412 or 416 as the request's header fields require.
    """
    file, status = _open_regular(path)
    try:
        headers = _headers(path, content_type, download_as, max_age)
        if not conditional:
            return Response(file, 200, headers | {"Content-Length": str(status.st_size)})
        return _answer(request, file, status, headers)
    except BaseException:
        file.close()
        raise


def _answer(request: Request, file: IO[bytes], status: os.stat_result, headers: dict[str, str]) -> Response:
    modified = int(status.st_mtime)
    version = Version(f"{status.st_mtime_ns:x}-{status.st_size:x}", modified)
    headers |= {"ETag": f'"{version.etag}"', "Last-Modified": http_date(modified), "Accept-Ranges": "bytes"}
    verdict = check_preconditions(request.environ, version)
    if verdict is Verdict.FAILED:
        raise HTTPError(412, "The file is not the version you named.")
    if verdict is Verdict.NOT_MODIFIED:
        file.close()
        # RFC 9110 §15.4.5: of the metadata only what a cache needs.
        return Response("", 304, {name: text for name, text in headers.items() if name in _CACHE_FIELDS})
    size = status.st_size
    part = wanted_part(request.environ, version, size)
    if part is None:
        return Response(file, 200, headers | {"Content-Length": str(size)})
    start, stop = part
    headers |= {"Content-Range": f"bytes {start}-{stop - 1}/{size}", "Content-Length": str(stop - start)}
    file.seek(start)
    is_safe = stop == size or _stops_at_length(request)
    return Response(file if is_safe else FilePart(file, stop - start), 206, headers)


# Their file wrappers end at Content-Length, as PEP 3333 requires; wsgiref's sends the rest of the file as well.
_STRICT_SERVERS = frozenset({"wiverno", "waitress", "gunicorn"})


def _stops_at_length(request: Request) -> bool:
    """Return whether the server sends only the first Content-Length bytes of a file."""
    module = getattr(request.environ.get("wsgi.file_wrapper"), "__module__", None) or ""
    return module.partition(".")[0] in _STRICT_SERVERS


_CACHE_FIELDS = frozenset({"ETag", "Last-Modified", "Cache-Control"})


def _headers(
    path: str | PathLike[str], content_type: str | None, download_as: str | None, max_age: int | None
) -> dict[str, str]:
    headers = {"Content-Type": content_type or type_of(path), "X-Content-Type-Options": "nosniff"}
    if download_as is not None:
        name = re.sub(r"[\x00-\x1f\x7f/\\]", "_", download_as)
        names = {"filename": name.encode("ascii", "replace").decode().replace("?", "_")}
        if not name.isascii():
            # RFC 6266 §4.3: the extended form wins where a client knows it.
            names["filename*"] = f"UTF-8''{quote(name, safe='')}"
        headers["Content-Disposition"] = dump_options_header("attachment", names)
    if max_age is not None:
        headers["Cache-Control"] = f"public, max-age={max_age}"
    return headers


def _open_regular(path: str | PathLike[str]) -> tuple[IO[bytes], os.stat_result]:
    """Open a regular file; opening a pipe or a device could wait forever."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise HTTPError(404)
        file = open(path, "rb")  # noqa: SIM115  # the response closes it
    except (OSError, ValueError) as error:
        raise HTTPError(404) from error
    return file, os.fstat(file.fileno())


class FilePart:
    """The next ``size`` bytes of an open file, as a file."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes, empty at the end of the part."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted)
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class StaticFiles:
    """A handler that serves the files of a folder; its route's parameter is called ``path``.

    Only regular files below the folder are served: no hidden ones, no editors' leftovers, and nothing that a symbolic
    link outside leads to.
    Everything else is 404, whatever the reason, so that nothing is learnt by trying.

    Args:
        folder: The folder.
        max_age: How many seconds caches may keep a file without asking.
        index: The file that answers for a folder, like ``"index.html"``; None for no such file.

    Raises:
        NotADirectoryError: ``folder`` is not a folder.
    """

    def __init__(self, folder: str | PathLike[str], *, max_age: int | None = None, index: str | None = None) -> None:
        self.root = os.path.realpath(folder)
        if not Path(self.root).is_dir():
            raise NotADirectoryError(f"{os.fspath(folder)!r} is not a folder to serve files from")
        self.max_age = max_age
        self.index = index

    def __call__(self, request: Request) -> Response:
        """Answer with the file that the route's ``path`` names."""
        return send_file(request, self.locate(str(request.path_params.get("path", ""))), max_age=self.max_age)

    def locate(self, path: str) -> str:
        """Return the real path of a file named by a client.

        Raises:
            HTTPError: 404 for everything that is not simply a file in the folder.
        """
        names = path.split("/")
        if self.index is not None and names[-1] == "":
            names[-1] = self.index
        if not all(is_plain_name(name) for name in names) or is_leftover(names[-1]):
            raise HTTPError(404)
        try:
            real = os.path.realpath(os.path.join(self.root, *names))
        except (OSError, ValueError) as error:
            raise HTTPError(404) from error
        if not real.startswith(self.root.rstrip(os.sep) + os.sep):
            raise HTTPError(404)
        return real
