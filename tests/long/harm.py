"""What clients do to a server that means it no good: each harm is a coroutine that goes on until it is cancelled.

python -m tests.long.harm NAME PORT    does it in a separate process, and says four times a second how often it could

The same code runs against every server. It has a separate process so that the ordinary client, which is measured
beside it, waits for the server and not for the harm.
"""

import asyncio
import contextlib
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.support.sockets import LOOPBACK

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

Harm = Callable[[int], Awaitable[None]]


class Tally:
    """Counts what the crowd has got through: hang-ups, resets, uploads."""

    count = 0


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


async def crowd(count: int, one: Callable[[int], Awaitable[None]]) -> None:
    """Run `one` for each member of a crowd, begun within a second, again whenever it ends."""

    async def member(number: int) -> None:
        await asyncio.sleep(number / count)  # members begin one after the other
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                await one(number)
            await asyncio.sleep(0.05)  # before it begins again

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
                await asyncio.sleep(1)  # the harm: a byte a second

    await crowd(1000, one)


async def dribble_bodies(port: int) -> None:
    """200 connections that send a body 10 bytes a second: more than there are threads."""

    async def one(number: int) -> None:
        async with connected(port) as (_, writer):
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)  # the harm: ten bytes a second

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
            await asyncio.sleep(0.02)  # the response has begun when the client leaves
            writer.transport.abort()
            Tally.count += 1

    await crowd(50, one)


def stop_reading(mebibytes: int) -> Harm:
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
            await asyncio.sleep(3600)  # holds the connection; the end of the harm ends it

    return lambda port: crowd(40, lambda _: one(port))


async def storm(port: int) -> None:
    """50 clients that connect and hang up as fast as they can."""

    async def one(number: int) -> None:
        for _ in range(100):
            async with connected(port):
                Tally.count += 1

    await crowd(50, one)


async def upload(port: int) -> None:
    """20 clients that upload 8 MiB again and again."""
    body = bytes(8 * 1024 * 1024)
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    async def one(number: int) -> None:
        try:
            await ask(port, head + body)
        finally:
            Tally.count += 1  # whatever became of it

    await crowd(20, one)


HARMS: dict[str, Harm] = {
    "idle": idle, "dribble": dribble, "dribble bodies": dribble_bodies, "stop reading": stop_reading(8),
    "stop reading much": stop_reading(50), "reset": reset, "storm": storm, "upload": upload,
}  # fmt: skip


async def ended(*tasks: asyncio.Future[None]) -> None:
    """Cancel tasks until they are over; a cancellation may get lost where a connection is just being made."""
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=0.5)


async def _do(name: str, port: int) -> None:
    harm = asyncio.ensure_future(HARMS[name](port))
    try:
        while True:
            await asyncio.wait([harm], timeout=0.25)
            if harm.done():
                harm.result()
            print(f"{time.monotonic():.3f} {Tally.count}", flush=True)
    finally:
        await ended(harm)


def main(name: str, port: str) -> None:
    """Do harm until the end."""
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        asyncio.run(_do(name, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
