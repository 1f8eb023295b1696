"""Two ends of one connection, ours and the `h2` library's as the client, do what they like in any order.

Both sides open, send, wait, reset and change windows as hypothesis chooses; at the end everything is delivered, and
each request and response must have arrived byte for byte.
"""

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.support.examples import examples
from tests.support.reading import split
from wiverno.http2.connection import ServerProtocol
from wiverno.http2.events import (
    ConnectionTerminated,
    DataReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowOpened,
)
from wiverno.http2.limits import Limits
from wiverno.http2.response_fields import response_block
from wiverno.http2.sending import GONE

LIMITS = Limits(stream_window=3000, connection_window=65535, max_streams=20)
PIECE = bytes(range(251)) * 400


class Exchange:
    """What both ends know of one stream."""

    def __init__(self) -> None:
        self.sent = b""  # the request's body
        self.has_ended = False
        self.received = b""  # by the server
        self.is_complete = False
        self.unacknowledged = 0
        self.is_requested = False
        self.answer: bytes | None = None
        self.left = b""  # of the answer
        self.response = b""  # by the client
        self.is_answered = False
        self.is_reset = False


class TwoEnds(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.client.initiate_connection()
        self.server = ServerProtocol(0.0, LIMITS)
        self.exchanges: dict[int, Exchange] = {}
        self.now = 0.0
        self.is_settling = True

    # ---------------------------------------------------------------- what the client does

    @precondition(lambda self: len(self.exchanges) < 15)
    @rule(has_body=st.booleans())
    def ask(self, has_body: bool) -> None:
        stream_id = self.client.get_next_available_stream_id()
        fields = [
            (":method", "POST" if has_body else "GET"),
            (":scheme", "https"),
            (":path", f"/{stream_id}"),
            (":authority", "a.example"),
            ("cookie", f"id={stream_id}"),
        ]
        try:
            self.client.send_headers(stream_id, fields, end_stream=not has_body)
        except h2.exceptions.TooManyStreamsError:
            return
        self.exchanges[stream_id] = exchange = Exchange()
        exchange.has_ended = not has_body

    @rule(data=st.data(), size=st.integers(0, 5000), padding=st.none() | st.integers(0, 20), ends=st.booleans())
    def send_body(self, data: st.DataObject, size: int, padding: int | None, ends: bool) -> None:
        open_ones = [number for number, found in self.exchanges.items() if not (found.has_ended or found.is_reset)]
        if not open_ones:
            return
        stream_id = data.draw(st.sampled_from(open_ones))
        exchange = self.exchanges[stream_id]
        size = min(size, self.client.local_flow_control_window(stream_id) - 21)
        if size < 0:
            return
        self.client.send_data(stream_id, PIECE[:size], end_stream=ends, pad_length=padding)
        exchange.sent += PIECE[:size]
        exchange.has_ended = ends

    @rule(data=st.data())
    def reset_by_client(self, data: st.DataObject) -> None:
        running = [number for number, found in self.exchanges.items() if not found.is_answered and not found.is_reset]
        if running:
            stream_id = data.draw(st.sampled_from(running))
            self.client.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)
            self.exchanges[stream_id].is_reset = True

    # The library takes the first acknowledgement for the newest settings, so there is never more than one on the way.
    @precondition(lambda self: not self.is_settling)
    @rule(size=st.sampled_from([0, 10, 16384, 65535, 200000]))
    def change_window(self, size: int) -> None:
        self.is_settling = True
        self.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: size})

    @rule()
    def ping(self) -> None:
        self.client.ping(b"two ends")

    # ---------------------------------------------------------------- what the server does

    @rule(data=st.data(), size=st.sampled_from([0, 1, 500, 20000, 100000]), is_whole=st.booleans())
    def answer(self, data: st.DataObject, size: int, is_whole: bool) -> None:
        waiting = [
            number
            for number, found in self.exchanges.items()
            if found.is_requested and found.answer is None and not found.is_reset
        ]
        if waiting:
            self.answer_one(data.draw(st.sampled_from(waiting)), PIECE[:size], is_whole=is_whole)

    def answer_one(self, stream_id: int, content: bytes, *, is_whole: bool) -> None:
        exchange = self.exchanges[stream_id]
        exchange.answer = content
        block = response_block(200, [("X-Stream", str(stream_id))])
        if is_whole:
            taken = self.server.output.respond(stream_id, block, content)
        else:
            taken = self.server.output.headers(stream_id, block, ends=False)
            if taken != GONE:
                taken = self.server.output.data(stream_id, content, ends=True)
        exchange.left = content[taken:] if taken != GONE else b""

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        owing = [number for number, found in self.exchanges.items() if found.unacknowledged]
        if owing:
            stream_id = data.draw(st.sampled_from(owing))
            exchange = self.exchanges[stream_id]
            self.server.acknowledge(stream_id, exchange.unacknowledged)
            exchange.unacknowledged = 0

    @rule(data=st.data())
    def reset_by_server(self, data: st.DataObject) -> None:
        running = [
            number
            for number, found in self.exchanges.items()
            if found.is_requested and not found.is_reset and number in self.server.streams.live
        ]
        if running:
            stream_id = data.draw(st.sampled_from(running))
            self.server.output.reset(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            self.exchanges[stream_id].is_reset = True

    # ---------------------------------------------------------------- delivery

    @rule(cuts=st.sets(st.integers(1, 3000), max_size=4))
    def to_server(self, cuts: set[int]) -> None:
        self.now += 1.0
        for piece in split(self.client.data_to_send(), cuts):
            for event in self.server.receive(piece, self.now):
                assert not isinstance(event, ConnectionTerminated), event
                if isinstance(event, RequestReceived):
                    exchange = self.exchanges[event.stream_id]
                    exchange.is_requested = True
                    exchange.is_complete = event.ends
                    assert event.request.variables["PATH_INFO"] == f"/{event.stream_id}"
                    assert event.request.variables["HTTP_COOKIE"] == f"id={event.stream_id}"
                elif isinstance(event, DataReceived):
                    exchange = self.exchanges[event.stream_id]
                    exchange.received += event.data
                    exchange.unacknowledged += len(event.data)
                elif isinstance(event, StreamEnded):
                    self.exchanges[event.stream_id].is_complete = True
                elif isinstance(event, StreamReset):
                    assert event.by_peer, event
                    self.server.release(event.stream_id)
                elif isinstance(event, WindowOpened):
                    exchange = self.exchanges[event.stream_id]
                    taken = self.server.output.data(event.stream_id, exchange.left, ends=True)
                    # Others may have used the connection's window, or a reset that came with it follows.
                    if taken != GONE:
                        exchange.left = exchange.left[taken:]

    @rule(cuts=st.sets(st.integers(1, 3000), max_size=4))
    def to_client(self, cuts: set[int]) -> None:
        for piece in split(self.server.output.take(), cuts):
            for event in self.client.receive_data(piece):
                assert not isinstance(event, h2.events.ConnectionTerminated), event
                if isinstance(event, h2.events.SettingsAcknowledged):
                    self.is_settling = False
                elif isinstance(event, h2.events.DataReceived):
                    assert event.stream_id is not None
                    assert event.data is not None
                    self.exchanges[event.stream_id].response += event.data
                    if event.flow_controlled_length:
                        self.client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    assert event.stream_id is not None
                    self.exchanges[event.stream_id].is_answered = True
                elif isinstance(event, h2.events.StreamReset):
                    assert event.stream_id is not None
                    assert self.exchanges[event.stream_id].is_reset, event

    def teardown(self) -> None:
        """Deliver all that is open, and compare."""
        self.to_server(set())
        self.to_client(set())
        self.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
        for _ in range(200):
            self.to_server(set())
            for stream_id, exchange in self.exchanges.items():
                self.server.acknowledge(stream_id, exchange.unacknowledged)
                exchange.unacknowledged = 0
                if exchange.is_reset:
                    continue
                if not exchange.has_ended and self.client.local_flow_control_window(stream_id) >= 0:
                    self.client.end_stream(stream_id)
                    exchange.has_ended = True
                if exchange.is_requested and exchange.answer is None:
                    self.answer_one(stream_id, b"the end", is_whole=True)
            self.to_client(set())
            waits = any(not (found.has_ended or found.is_reset) for found in self.exchanges.values())
            if not (waits or self.client._data_to_send or self.server.output):
                break
        else:
            raise AssertionError("the ends never come to rest")
        for stream_id, exchange in self.exchanges.items():
            if not exchange.is_reset:
                assert exchange.is_complete, vars(exchange)
                assert exchange.received == exchange.sent, stream_id
                assert exchange.is_answered, vars(exchange)
                assert exchange.response == exchange.answer, stream_id
        assert not self.server.streams.count, self.server.streams.live
        assert not self.server.output.blocked, self.server.output.blocked
        assert self.server.fault is None


TestTwoEnds = TwoEnds.TestCase
TestTwoEnds.settings = settings(
    max_examples=examples(40), stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
