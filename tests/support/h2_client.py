"""An HTTP/2 client made of the `h2` library and a socket: many streams of one connection, every event kept."""

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings

DEADLINE = 20.0  # seconds


@dataclass
class Answer:
    """What has come of one stream."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    informational: list[list[tuple[str, str]]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    is_complete: bool = False
    reset: int | None = None

    @property
    def status(self) -> str:
        return dict(self.headers).get(":status", "")

    def __getitem__(self, name: str) -> str:
        return dict(self.headers)[name]


class H2Client:
    """One connection. Windows are opened as bytes come, unless `acknowledges` is False."""

    def __init__(self, sock: socket.socket, *, window: int = 65535, acknowledges: bool = True) -> None:
        self.sock = sock
        self.acknowledges = acknowledges
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.answers: dict[int, Answer] = {}
        self.goaways: list[tuple[int, int]] = []
        self._partial = b""  # of a frame
        self.is_closed = False
        self.failure: Exception | None = None  # how the connection ended, if not by the server's closing it
        self.authority = "localhost"
        self.scheme = "https" if isinstance(sock, ssl.SSLSocket) else "http"
        self.state.initiate_connection()
        if window != 65535:
            self.state.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.flush()

    def flush(self) -> None:
        """Send what the state machine has written."""
        data = self.state.data_to_send()
        if data:
            self.sock.sendall(data)

    def request(
        self,
        path: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        *,
        ends: bool = True,
    ) -> int:
        """Send a request; return its stream's identifier."""
        stream = self.state.get_next_available_stream_id()
        self.answers[stream] = Answer()
        fields = [(":method", method), (":scheme", self.scheme), (":authority", self.authority), (":path", path)]
        self.state.send_headers(stream, [*fields, *headers], end_stream=body is None and ends)
        self.flush()
        if body is not None:
            self.send_body(stream, body, ends=ends)
        return stream

    def send_body(self, stream: int, body: bytes, *, ends: bool = True) -> None:
        """Send a body as windows allow, receiving meanwhile."""
        view = memoryview(body)
        while view:
            room = min(self.state.local_flow_control_window(stream), self.state.max_outbound_frame_size, len(view))
            if room <= 0:
                self.receive()
                if self.answers[stream].is_complete or self.answers[stream].reset is not None:
                    return
                continue
            self.state.send_data(stream, bytes(view[:room]))
            self.flush()
            view = view[room:]
        if ends:
            self.state.end_stream(stream)
            self.flush()

    def reset(self, stream: int, code: int = 8) -> None:
        """Send RST_STREAM."""
        self.state.reset_stream(stream, code)
        self.flush()

    def receive(self, timeout: float = DEADLINE) -> None:
        """Receive once and act on it."""
        self.sock.settimeout(timeout)
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            raise AssertionError(f"nothing came within {timeout} s; so far {self.answers}") from None
        except (ConnectionError, ssl.SSLError) as error:
            self.failure = error
            data = b""
        if not data:
            self.is_closed = True
            return
        for event in self.state.receive_data(self._take_goaways(data)):
            self._take(event)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.flush()

    def _take_goaways(self, data: bytes) -> bytes:
        """Take GOAWAY frames out and return the other whole frames: `h2` accepts no frame after the first of them."""
        received = self._partial + data
        position = 0
        kept = []
        while len(received) - position >= 9:
            end = position + 9 + int.from_bytes(received[position : position + 3], "big")
            if end > len(received):
                break
            if received[position + 3] == 7:
                last, code = struct.unpack_from("!II", received, position + 9)
                self.goaways.append((code, last))
            else:
                kept.append(received[position:end])
            position = end
        self._partial = received[position:]
        return b"".join(kept)

    def _take(self, event: Any) -> None:
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        if answer is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            answer.headers = [(str(name), str(value)) for name, value in event.headers]
        elif isinstance(event, h2.events.InformationalResponseReceived):
            answer.informational.append([(str(name), str(value)) for name, value in event.headers])
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.acknowledges and event.flow_controlled_length:
                self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.is_complete = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = int(event.error_code)

    def wait(self, *streams: int, deadline: float = DEADLINE) -> list[Answer]:
        """Receive until these streams are complete, reset or the connection is closed; return their answers."""
        end = time.monotonic() + deadline
        while not self.is_closed and not all(
            self.answers[stream].is_complete or self.answers[stream].reset is not None for stream in streams
        ):
            self.receive(max(end - time.monotonic(), 0.01))
        return [self.answers[stream] for stream in streams]

    def fetch(self, path: str = "/", **more: Any) -> Answer:
        """Send a request and wait for its answer."""
        return self.wait(self.request(path, **more))[0]

    def wait_closed(self, deadline: float = DEADLINE) -> None:
        """Receive until the server has closed the connection."""
        end = time.monotonic() + deadline
        while not self.is_closed:
            self.receive(max(end - time.monotonic(), 0.01))

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


@contextlib.contextmanager
def h2_client(address: Any, *, secure: bool = False, **more: Any) -> Iterator[H2Client]:
    """Connect, by ALPN over TLS or by prior knowledge; `address` is (host, port) or a Unix socket's path."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(address)
    else:
        sock = socket.create_connection(address, timeout=DEADLINE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if secure:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        sock = context.wrap_socket(sock)
        assert sock.selected_alpn_protocol() == "h2"
    client = H2Client(sock, **more)
    try:
        yield client
    finally:
        client.close()
