"""Bodies on their way in and output on its way out, over real sockets and real files."""

import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.descriptors import temporary_files
from tests.support.waiting import PATIENCE
from wiverno.core.net.body_memory import BodyMemory
from wiverno.core.net.buffers import FIRST_CAPACITY, MAX_SPOOL, BodyBuffer, Pending
from wiverno.core.net.file_segments import MAX_FLUSH, FileSegment

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def open_temporaries() -> int:
    return len(temporary_files())


def drain(pending: Pending, pair: Pair, step: int = 1 << 20) -> bytes:
    """Send all that waits and return what arrived."""
    ours, theirs = pair
    found = bytearray()
    while pending.size:
        with pending.lock:
            try:
                pending.flush(ours, plain=True)
            except BlockingIOError:
                pass
        found += receive(theirs, step)
    while data := receive(theirs, step):
        found += data
    return bytes(found)


def receive(sock: socket.socket, step: int) -> bytes:
    try:
        return sock.recv(step)
    except BlockingIOError:
        return b""


def add(pending: Pending, *pieces: bytes) -> None:
    with pending.lock:
        for piece in pieces:
            pending.add(piece)


def close(pending: Pending) -> None:
    with pending.lock:
        pending.close()


@pytest.mark.parametrize("overflow", [0, 10, 100_000, 1 << 20])
@pytest.mark.parametrize("size", [0, 1, 99_999, 300_000])
def test_a_body_arrives_as_it_was_sent(pair: Pair, overflow: int, size: int) -> None:
    """In memory or in a file, the application reads what the client sent, and the file is gone afterwards."""
    ours, theirs = pair
    before = open_temporaries()
    content = os.urandom(size)
    body = BodyBuffer(overflow)
    sent = 0
    while body.received < size:
        try:
            sent += theirs.send(content[sent : sent + 50_000])
        except BlockingIOError:
            pass
        body.receive(ours, size, memoryview(bytearray(4096)))
    stream = body.finish()
    assert stream.read() == content
    assert open_temporaries() - before == (size > overflow)
    body.close()
    assert open_temporaries() == before


def test_appended_pieces_move_to_a_file_past_the_overflow() -> None:
    before = open_temporaries()
    body = BodyBuffer(10)
    body.append(b"12345")
    body.append(memoryview(b"67890"))
    assert open_temporaries() == before
    body.append(b"1")
    assert open_temporaries() == before + 1
    assert body.finish().read() == b"12345678901"
    body.close()
    assert open_temporaries() == before


def send_all(body: BodyBuffer, pair: Pair, content: bytes) -> None:
    ours, theirs = pair
    sent = 0
    while body.received < len(content):
        try:
            sent += theirs.send(content[sent : sent + 50_000])
        except BlockingIOError:
            pass
        body.receive(ours, len(content), memoryview(bytearray(100_000)))


@pytest.mark.parametrize("is_appended", [False, True])
def test_a_large_body_stays_in_memory_while_the_budget_lasts(pair: Pair, is_appended: bool) -> None:
    """What it takes is given back when it is closed, once; the next one then fits again."""
    before = open_temporaries()
    budget = BodyMemory(1 << 20)
    budget.largest = 500_000
    content = os.urandom(400_000)
    for _ in range(2):
        first, second = BodyBuffer(100_000, budget), BodyBuffer(100_000, budget)
        for body in (first, second):
            if is_appended:
                for start in range(0, len(content), 10_000):
                    body.append(content[start : start + 10_000])
            else:
                send_all(body, pair, content)
        assert 800_000 <= budget.used <= budget.limit
        third = BodyBuffer(100_000, budget)
        send_all(third, pair, content)
        assert open_temporaries() == before + 1  # no room for the third
        assert budget.used <= budget.limit
        assert {body.finish().read() for body in (first, second, third)} == {content}
        for body in (first, second, third, third, first):
            body.close()
        assert budget.used == 0
        assert open_temporaries() == before


def test_an_announced_body_takes_nothing_before_it_arrives(pair: Pair) -> None:
    """Of a body of 1 MB, of which 10 bytes are there, the budget holds no more than a first buffer."""
    budget = BodyMemory(8 << 20)
    body = BodyBuffer(1000, budget)
    pair[1].send(b"0123456789")
    body.receive(pair[0], 1_000_000, memoryview(bytearray(4096)))
    assert 0 < budget.used <= FIRST_CAPACITY + 10
    body.close()
    assert budget.used == 0


def test_a_body_for_which_the_budget_runs_out_goes_on_in_a_file(pair: Pair) -> None:
    """Nothing is lost on the way from memory to the file, and the memory is given back at once."""
    before = open_temporaries()
    budget = BodyMemory(8 << 20)
    content = os.urandom(900_000)
    body = BodyBuffer(1000, budget)
    send_all(body, pair, content[:1])  # announced in full below
    pair[1].send(content[1:2000])
    body.receive(pair[0], len(content), memoryview(bytearray(4096)))
    held = budget.used
    assert budget.take(budget.limit - held)  # another body has the rest now
    sent = 2000
    while body.received < len(content):
        sent += pair[1].send(content[sent : sent + 50_000])
        body.receive(pair[0], len(content), memoryview(bytearray(100_000)))
    assert open_temporaries() == before + 1
    assert budget.used == budget.limit - held
    assert body.finish().read() == content
    body.close()


@pytest.mark.parametrize("is_appended", [False, True])
def test_one_body_gets_an_eighth_of_the_budget(pair: Pair, is_appended: bool) -> None:
    before = open_temporaries()
    budget = BodyMemory(8 * 100_000)
    for size in (100_000, 100_001):
        body = BodyBuffer(1000, budget)
        content = os.urandom(size)
        if is_appended:
            body.append(content[:50_000])
            body.append(content[50_000:])
        else:
            send_all(body, pair, content)
        assert open_temporaries() - before == (size > 100_000)
        assert body.finish().read() == content
        body.close()
    assert budget.used == 0


def test_a_reused_buffer_shows_no_other_body(pair: Pair) -> None:
    """Bodies on their way to files share one buffer; none has a byte of the one before."""
    scratch = memoryview(bytearray(100_000))
    for content in (b"secret " * 10_000, b"short", b"x" * 99_999, b"y"):
        body = BodyBuffer(0)
        sent = 0
        while body.received < len(content):
            sent += pair[1].send(content[sent : sent + 50_000])
            body.receive(pair[0], len(content), scratch)
        stream = body.finish()
        assert stream.read() == content
        assert os.fstat(stream.fileno()).st_size == len(content)
        body.close()


def test_memory_beyond_a_body_is_not_readable(pair: Pair) -> None:
    """A buffer that grew in steps ends where its body ends, also for a reader that seeks and for getbuffer()."""
    budget = BodyMemory(8 << 20)
    body = BodyBuffer(1000, budget)
    pair[1].send(b"secret")
    body.receive(pair[0], 500_000, memoryview(bytearray(4096)))
    stream = body.finish()  # as if the client had announced too much
    assert stream.getbuffer().tobytes() == b"secret"
    stream.seek(100)
    assert stream.read() == b""
    body.close()


@pytest.mark.parametrize("overflow", [0, 100, 10_000, 1 << 30])
def test_output_keeps_its_order(pair: Pair, overflow: int) -> None:
    """Pieces leave in the order they came in, whether they wait in memory or in a file, added before or meanwhile."""
    pending = Pending(overflow, 0.0)
    pieces = [bytes([number % 251]) * (number * 37 % 5000) for number in range(200)]
    found = b""
    for start in range(0, 200, 20):
        add(pending, *pieces[start : start + 20])
        with pending.lock:
            try:
                pending.flush(pair[0], plain=True)
            except BlockingIOError:
                pass
        found += receive(pair[1], 30_000)
    found += drain(pending, pair)
    assert found == b"".join(pieces)
    assert pending.sent == len(found)
    assert pending.size == 0
    close(pending)


def test_a_spool_does_not_grow_with_the_response(pair: Pair) -> None:
    """A response much longer than the high-water mark, taken slowly, keeps only what waits on the disk."""
    before = open_temporaries()
    pending = Pending(1000, 0.0)
    piece = b"x" * (1 << 20)
    largest = received = 0
    for _ in range(100):
        add(pending, piece)
        with pending.lock:
            while pending.size > 4 << 20:
                try:
                    pending.flush(pair[0], plain=True)
                except BlockingIOError:
                    pass
                received += len(receive(pair[1], 1 << 20))
        largest = max(largest, sum(temporary_files()))
    assert largest <= 2 * MAX_SPOOL + (6 << 20)
    received += len(drain(pending, pair))
    assert received == 100 << 20
    close(pending)
    assert open_temporaries() == before


def test_a_spool_that_has_been_sent_is_gone(pair: Pair) -> None:
    """What has left takes no disk and no descriptor any more, and more can be added."""
    before = open_temporaries()
    pending = Pending(10, 0.0)
    for _ in range(3):
        add(pending, b"x" * 20, b"y" * 50_000)
        assert pending._spool is not None
        assert os.fstat(pending._spool.fileno()).st_size == 50_000
        assert len(drain(pending, pair)) == 50_020
        assert open_temporaries() == before
    close(pending)


def test_one_turn_sends_a_bounded_amount(tmp_path: Path) -> None:
    """A client that reads as fast as it is sent to does not keep the others waiting."""
    ours, theirs = socket.socketpair()
    path = tmp_path / "file"
    with path.open("wb") as sparse:
        sparse.truncate(4 * MAX_FLUSH)
    count = [0]

    def read_all() -> None:
        while data := theirs.recv(1 << 20):
            count[0] += len(data)

    reader = threading.Thread(target=read_all)
    reader.start()
    with ours, theirs, path.open("rb") as file:
        pending = Pending(1, 0.0)
        with pending.lock:
            pending.add_file(FileSegment(file.fileno(), 0, 4 * MAX_FLUSH, None))
            pending.flush(ours, plain=True)  # a blocking socket: stops only because it is enough
        assert pending.sent == MAX_FLUSH
        segment = FileSegment(file.fileno(), 0, 4 * MAX_FLUSH, None)
        segment.send_some(ours)
        assert segment.count == 3 * MAX_FLUSH
        ours.close()
        reader.join(PATIENCE)
    assert count[0] == 2 * MAX_FLUSH


def test_gathered_pieces(pair: Pair) -> None:
    """Hundreds of small pieces leave complete and in order."""
    pending = Pending(1 << 30, 0.0)
    pieces = [b"%d," % number for number in range(1000)]
    add(pending, *pieces)
    assert drain(pending, pair) == b"".join(pieces)


@pytest.mark.parametrize("plain", [True, False])
def test_a_part_of_a_file(pair: Pair, tmp_path: Path, plain: bool) -> None:
    """A segment sends its part and nothing else, with sendfile and without."""
    path = tmp_path / "file"
    content = os.urandom(200_000)
    path.write_bytes(content)
    with path.open("rb") as file:
        segment = FileSegment(file.fileno(), 1000, 150_000, None)
        found = b""
        while segment.count:
            try:
                segment.send(pair[0], plain=plain)
            except BlockingIOError:
                pass
            found += receive(pair[1], 1 << 20)
        found += receive(pair[1], 1 << 20)
    assert found == content[1000:151_000]


def test_a_file_that_can_only_be_read(pair: Pair) -> None:
    """Where the file system knows no sendfile(2), the bytes are copied."""
    with Path("/proc/self/limits").open("rb") as file:
        segment = FileSegment(file.fileno(), 4, 100, None)
        assert segment.send(pair[0], plain=True) == 100
        file.seek(4)
        assert receive(pair[1], 1 << 20) == file.read(100)


def test_a_file_that_became_shorter(pair: Pair, tmp_path: Path) -> None:
    """A file that ends before its response does breaks the response; one that grew sends what was announced."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    with path.open("rb") as file:
        pending = Pending(1, 0.0)
        with pending.lock:
            pending.add_file(FileSegment(file.fileno(), 0, 200, None))
            with pytest.raises(OSError, match="the file ended before the response did"):
                pending.flush(pair[0], plain=True)
        path.write_bytes(b"y" * 300)
        again = Pending(1, 0.0)
        with again.lock:
            again.add_file(FileSegment(file.fileno(), 0, 200, None))
        receive(pair[1], 1 << 20)
        assert drain(again, pair) == b"y" * 200


class Raising:
    """A file whose close() raises."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        raise ValueError("meant")


@pytest.mark.parametrize("how", ["sent", "dropped"])
def test_a_close_that_raises_is_logged(pair: Pair, tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """The application's close() is called once; what it raises concerns no other response."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    on_close = Raising()
    with path.open("rb") as file:
        pending = Pending(1, 0.0)
        with pending.lock:
            pending.add_file(FileSegment(file.fileno(), 0, 100, on_close))
        if how == "sent":
            assert drain(pending, pair) == b"x" * 100
        close(pending)
    assert on_close.calls == 1
    assert "Exception in close() of the application's file" in caplog.text


class Short(io.RawIOBase):
    """A file that takes three bytes at a time, and then no more."""

    def __init__(self, room: int) -> None:
        self.content = b""
        self._evictor = room

    def write(self, data: Any) -> int:
        taken = bytes(data[: min(3, self._evictor)])
        if not taken:
            raise OSError(28, "No space left on device")
        self._evictor -= len(taken)
        self.content += taken
        return len(taken)

    def seek(self, offset: int, whence: int = 0) -> int:
        return len(self.content)

    def fileno(self) -> int:
        return -2


def spool(pending: Pending, file: Any) -> None:
    as_file: IO[bytes] = file
    pending._spool = as_file


def test_short_writes_are_continued() -> None:
    """A write that takes less than it was given loses nothing."""
    pending = Pending(1, 0.0)
    short = Short(1000)
    spool(pending, short)
    add(pending, b"in memory", b"in the spool")
    assert short.content == b"in the spool"
    body = BodyBuffer(0)
    body.append(b"")
    file = Short(1000)
    body._memory = None
    body._file = file  # type: ignore[assignment]
    body.append(b"some content")
    assert file.content == b"some content"
    body.close()
    close(pending)


def test_a_full_disk_leaves_the_size_right(pair: Pair) -> None:
    """What could not be kept does not count as waiting: the rest leaves and the output is empty."""
    pending = Pending(1, 0.0)
    add(pending, b"in memory")
    spool(pending, Short(4))
    with pytest.raises(OSError, match="No space left"):
        add(pending, b"in the spool")
    assert pending.size == len(b"in memory")
    assert drain(pending, pair) == b"in memory"
    assert pending.size == 0
    close(pending)


def test_who_waits_is_told(pair: Pair) -> None:
    """A producer waits until little enough is left, and no longer when the client has gone."""
    for ending in ("sent", "broken"):
        pending = Pending(1 << 30, 0.0)
        add(pending, b"x" * 10_000)
        waiter = threading.Thread(target=pending.wait_below, args=(5,), daemon=True)
        waiter.start()
        if ending == "sent":
            drain(pending, pair)
            with pending.lock:
                pending.lock.notify_all()
        else:
            close(pending)
        waiter.join(PATIENCE)
        assert not waiter.is_alive()
