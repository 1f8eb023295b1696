"""What is done to a server while an ordinary client asks, and what that client notices.

Each fault is a coroutine that does harm until it is cancelled; `measure` runs it beside the ordinary client and says
what became of that one. The same code runs against every server.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.long.subjects import subject
from tests.support.sockets import LOOPBACK

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
ORDINARY_WAIT = 2.0
"""Seconds after which the ordinary client gives up."""


@dataclass
class Notice:
    """What the ordinary client got.

    Attributes:
        answered: requests answered with 200.
        lost: requests refused, cut off, or not answered in time.
        times: seconds that each answer took.
        growth: bytes of memory that the server has more at the end.
        is_alive: whether it answers when the harm is over.
    """

    answered: int = 0
    lost: int = 0
    times: list[float] = field(default_factory=list)
    growth: int = 0
    is_alive: bool = False

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the answers came."""
        ordered = sorted(self.times)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


Fault = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect for the length of the block; whatever ends it, the connection is gone."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        yield reader, writer
    finally:
        writer.close()
        if writer.transport.get_write_buffer_size():
            writer.transport.abort()


async def ask(port: int, request: bytes = REQUEST) -> bool:
    """Make one request on a new connection; whether it was answered with 200."""
    async with connected(port) as (reader, writer):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        return head.startswith(b"HTTP/1.1 200")


async def ordinary(port: int, notice: Notice) -> None:
    """Ask again and again, every 10 ms, as a visitor would."""
    while True:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(ORDINARY_WAIT):
                good = await ask(port)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            good = False
        if good:
            notice.answered += 1
            notice.times.append(time.monotonic() - begun)
        else:
            notice.lost += 1
        await asyncio.sleep(0.01)


async def crowd(count: int, one: Callable[[int], Awaitable[None]]) -> None:
    """Run `one` for each member of a crowd, begun within a second, again whenever it ends."""

    async def member(number: int) -> None:
        await asyncio.sleep(number / count)
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                await one(number)
            await asyncio.sleep(0.05)

    await asyncio.gather(*(member(number) for number in range(count)))


async def idle(port: int) -> None:
    """1,000 connections on which nothing is sent."""

    async def one(number: int) -> None:
        async with connected(port) as (reader, _):
            await reader.read(1)

    await crowd(1000, one)


async def dribble(port: int) -> None:
    """1,000 connections that send a head one byte a second."""

    async def one(number: int) -> None:
        async with connected(port) as (_, writer):
            for byte in REQUEST * 2:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)

    await crowd(1000, one)


async def dribble_bodies(port: int) -> None:
    """200 connections that send a body 10 bytes a second: more than there are threads."""

    async def one(number: int) -> None:
        async with connected(port) as (_, writer):
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)

    await crowd(200, one)


async def reset(port: int) -> None:
    """50 clients that hang up with a reset: after connecting, in the head, in the body, in the response."""
    beginnings = (
        b"", REQUEST[:20], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\nhalf",
        b"GET /big?8 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n",
    )  # fmt: skip

    async def one(number: int) -> None:
        async with connected(port) as (reader, writer):
            own: socket.socket = writer.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            beginning = beginnings[number % len(beginnings)]
            writer.write(beginning)
            await writer.drain()
            if b"/big" in beginning:
                await reader.read(1000)
            await asyncio.sleep(0.02)
            writer.transport.abort()

    await crowd(50, one)


def stop_reading(mebibytes: int) -> Fault:
    """40 clients that ask for so much and read nothing: more than there are threads."""
    request = f"GET /big?{mebibytes} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    async def one(port: int) -> None:
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        own.setblocking(False)
        with own:
            loop = asyncio.get_running_loop()
            await loop.sock_connect(own, (LOOPBACK, port))
            await loop.sock_sendall(own, request)
            await asyncio.sleep(3600)

    return lambda port: crowd(40, lambda _: one(port))


async def storm(port: int) -> None:
    """50 clients that connect and hang up as fast as they can."""

    async def one(number: int) -> None:
        for _ in range(100):
            async with connected(port):
                pass

    await crowd(50, one)


async def upload(port: int) -> None:
    """20 clients that upload 8 MiB again and again."""
    body = bytes(8 * 1024 * 1024)
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    async def one(number: int) -> None:
        await ask(port, head + body)

    await crowd(20, one)


@dataclass(frozen=True)
class Case:
    """A fault and the limits that the server is put under for it."""

    fault: Fault
    meaning: str
    limits: dict[str, int] = field(default_factory=dict)
    is_hard: bool = False
    """Whether the ordinary client may lose requests while it lasts: only recovery counts."""


MIB = 1024 * 1024
CASES = {
    "idle": Case(idle, "1,000 idle connections"),
    "dribble": Case(dribble, "1,000 clients that send a head at 1 byte/s"),
    "dribble bodies": Case(dribble_bodies, "200 clients that send a body at 10 bytes/s, 16 threads"),
    "stop reading": Case(stop_reading(8), "40 clients that ask for 8 MiB and do not read, 16 threads"),
    "stop reading much": Case(
        stop_reading(50), "40 clients that ask for 50 MiB, more than is buffered, and do not read", is_hard=True
    ),
    "reset": Case(reset, "50 clients that reset the connection in every phase"),
    "storm": Case(storm, "50 clients that connect and hang up at full speed"),
    "descriptors": Case(idle, "1,000 idle connections, 256 descriptors", {"NOFILE": 256}, is_hard=True),
    "memory": Case(
        upload, "20 uploads of 8 MiB at a time, no more than 1,600 MiB of address space", {"AS": 1600 * MIB}
    ),
    "disk": Case(upload, "20 uploads of 8 MiB at a time, no file may grow beyond 1 MiB (a full disk)", {"FSIZE": MIB}),
}


async def _beside(port: int, fault: Fault, seconds: float, notice: Notice) -> None:
    harm = asyncio.ensure_future(fault(port))
    await asyncio.sleep(1.2)  # the crowd is there
    client = asyncio.ensure_future(ordinary(port, notice))
    await asyncio.sleep(seconds)
    await ended(client, harm)


async def ended(*tasks: asyncio.Future[None]) -> None:
    """Cancel tasks until they are over; a cancellation may get lost where a connection is just being made."""
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=0.5)


async def _recovers(port: int, deadline: float) -> bool:
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(2):
                if await ask(port):
                    return True
        await asyncio.sleep(0.05)
    return False


def measure(name: str, case: Case, seconds: float) -> Notice:
    """Put a server under a fault for a while and return what the ordinary client noticed."""
    with subject(name, case.limits) as running:
        asyncio.run(_recovers(running.port, 10))
        before = running.memory
        notice = Notice()
        asyncio.run(_beside(running.port, case.fault, seconds, notice))
        notice.growth = running.memory - before
        notice.is_alive = running.child.process.poll() is None and asyncio.run(_recovers(running.port, 10))
        return notice
