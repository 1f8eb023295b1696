"""The reading half of a server without its sockets: bytes in any pieces → requests, up to the first that is refused.

It puts the pieces of `wiverno.http` together as the engine does, so that millions of inputs can be tried in a minute.
"""

from dataclasses import dataclass, field
from typing import Any

from wiverno.http.body import ChunkedDecoder
from wiverno.http.buffer import HeadBuffer
from wiverno.http.errors import ProtocolError
from wiverno.http.framing import CHUNKED, Framing, decide
from wiverno.http.head import parse_head
from wiverno.wsgi.environ import describe_path

MAX_HEAD = 8192
MAX_LINE = 2048
MAX_FIELDS = 50


@dataclass
class ReadRequest:
    """One complete request."""

    method: str
    target: str
    resource: str
    minor: int
    variables: dict[str, Any]
    framing: Framing
    body: bytes = b""


@dataclass
class Reader:
    """Takes bytes and collects requests.

    Attributes:
        requests: those that are complete.
        error: why the connection took no more, if a request was refused.
        is_over: whether the connection takes no more, after an error or a request that ends it.
    """

    requests: list[ReadRequest] = field(default_factory=list)
    error: ProtocolError | None = None
    is_over: bool = False
    _heads: HeadBuffer = field(default_factory=HeadBuffer)
    _current: ReadRequest | None = None
    _decoder: ChunkedDecoder | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes; whatever but a ProtocolError escapes is a bug."""
        if self.is_over:
            return
        try:
            self._take(data)
        except ProtocolError as error:
            self.error = error
            self.is_over = True

    def _take(self, data: bytes) -> None:
        while not self.is_over:
            if self._current is None:
                self._heads.add(data)
                head = self._heads.take_head(MAX_HEAD, MAX_LINE)
                if head is None:
                    return
                self._begin(head)
                data = self._heads.take_all()
            if self._current is not None:
                rest = self._take_body(self._current, data)
                if rest is None:
                    return
                data = rest

    def _begin(self, head: bytes) -> None:
        variables: dict[str, Any] = {}
        method, target, resource, minor, is_plain = parse_head(head, variables, MAX_LINE, MAX_FIELDS)
        framing = decide(variables, minor)
        assert not is_plain or framing == (0, True, False), "the short path would skip a decision"
        environ: dict[str, Any] = {}
        describe_path(environ, resource, "/prefix")
        assert environ["PATH_INFO"][:1] in ("", "/")
        self._current = ReadRequest(method, target, resource, minor, variables, framing)
        self._decoder = ChunkedDecoder() if framing.length == CHUNKED else None

    def _take_body(self, request: ReadRequest, data: bytes) -> bytes | None:
        """Return what follows the body, None if it is not complete."""
        if self._decoder is not None:
            request.body += b"".join(self._decoder.feed(data))
            if not self._decoder.is_done:
                return None
            rest = self._decoder.rest
        else:
            wanted = request.framing.length - len(request.body)
            request.body += data[:wanted]
            if len(request.body) < request.framing.length:
                return None
            rest = data[wanted:]
        self.requests.append(request)
        self._current = None
        self.is_over = not request.framing.keep_alive
        return rest


def read(*pieces: bytes) -> Reader:
    """Return a reader that has taken these pieces."""
    reader = Reader()
    for piece in pieces:
        reader.feed(piece)
    return reader


def split(data: bytes, cuts: "set[int] | list[int]") -> list[bytes]:
    """Cut `data` at these positions; positions beyond its end cut nothing."""
    inner = sorted({cut for cut in cuts if 0 < cut < len(data)})
    return [data[start:end] for start, end in zip([0, *inner], [*inner, len(data)], strict=True)]
