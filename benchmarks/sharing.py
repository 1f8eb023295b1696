"""What clients do to one another: `python -m benchmarks.sharing` (with --only greedy or --only streams).

greedy   One client address with 200 connections, each asking again and again for an answer that takes 50 ms, beside
         ten polite addresses with one connection each, which ask for a quick answer twenty times a second.
streams  Streams of events, each of which holds a thread, beside one client that asks for a quick answer twenty times a
         second.

Every server gets 16 threads; the addresses are 127.0.0.0/8, which Linux has all of. The figures are how long the quick
answers took, in milliseconds, beside the greedy client or the streams, and without.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import environment
from benchmarks.processes import CLIENT_CPU, SERVER_CPU, Child, ChildFailed
from benchmarks.servers import HOST, SERVERS, Start, child_variables

APPLICATION = "benchmarks.apps:shared"
GREEDY_CONNECTIONS = 200
POLITE_CLIENTS = 10
STREAMS = 500
PAUSE = 0.05  # seconds between two quick requests of a client
PATIENCE = 5.0  # seconds for an answer
START_SECONDS = 30.0
STREAMS_WAIT = 3.0  # seconds that streams get to begin; few threads never begin all
GREEDY_SERVERS = ("wiverno-16", "wiverno-limit", "waitress-16", "gunicorn-gthread", "granian-16")
STREAM_SERVERS = ("wiverno-16", "wiverno-streams")


@dataclass(slots=True)
class Times:
    """Times of answers in seconds, and how many did not come within PATIENCE."""

    seconds: list[float] = field(default_factory=list)
    missing: int = 0

    def describe(self) -> list[str]:
        if not self.seconds:
            return ["–", "–", "–", str(self.missing)]
        ordered = sorted(self.seconds)
        p99 = ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)]
        figures = (statistics.median(ordered), p99, ordered[-1])
        return [*(f"{1000 * value:.1f}" for value in figures), str(self.missing)]


class Client:
    """One kept connection from one address."""

    def __init__(self, address: str, port: int) -> None:
        self._address = address
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str) -> bytes:
        """Send a request and return the head of the answer and what came with it."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port, local_addr=(self._address, 0))
        reader, writer = self._streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise ConnectionError(head.split(b"\r\n", 1)[0].decode())
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await reader.readexactly(int(line.partition(b":")[2]))
        return head

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def ask_politely(client: Client, until: float, times: Times) -> None:
    """Ask for a quick answer now and then, and note how long it took."""
    while (begin := time.monotonic()) < until:
        try:
            await asyncio.wait_for(client.ask("/"), PATIENCE)
            times.seconds.append(time.monotonic() - begin)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            times.missing += 1
            client.close()
        await asyncio.sleep(max(begin + PAUSE - time.monotonic(), 0.001))  # the rate of a polite client
    client.close()


async def ask_greedily(client: Client, path: str) -> None:
    """Ask again and again, for ever."""
    while True:
        try:
            await client.ask(path)
        except (OSError, asyncio.IncompleteReadError):
            client.close()
            await asyncio.sleep(0.1)  # before it connects again


async def stream(client: Client, opened: list[int]) -> None:
    """Ask for a stream of events and read it for ever."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await client.ask("/events")
        opened.append(1)
        assert client._streams is not None
        while await client._streams[0].read(4096):
            pass


async def measure_greedy(port: int, seconds: float, *, is_greedy: bool) -> Times:
    """The polite clients' times."""
    greedy = [Client("127.0.0.2", port) for _ in range(GREEDY_CONNECTIONS if is_greedy else 0)]
    tasks = [asyncio.create_task(ask_greedily(client, "/slow")) for client in greedy]
    await asyncio.sleep(1.0)  # until its connections are accepted and its requests wait
    times = Times()
    until = time.monotonic() + seconds
    polite = [Client(f"127.0.1.{number}", port) for number in range(1, POLITE_CLIENTS + 1)]
    await asyncio.gather(*(ask_politely(client, until, times) for client in polite))
    return await _end(tasks, greedy, times)


async def measure_streams(port: int, seconds: float, *, count: int) -> tuple[Times, int]:
    """The times of one client beside so many streams, and how many of these have begun."""
    opened: list[int] = []
    clients = [Client(f"127.0.2.{number % 250 + 1}", port) for number in range(count)]
    tasks = [asyncio.create_task(stream(client, opened)) for client in clients]
    begin = time.monotonic()
    while len(opened) < count and time.monotonic() < begin + STREAMS_WAIT:
        await asyncio.sleep(0.02)  # between two looks; the deadline ends them
    times = Times()
    await ask_politely(Client("127.0.1.1", port), time.monotonic() + seconds, times)
    begun = len(opened)
    return await _end(tasks, clients, times), begun


async def _end(tasks: list[asyncio.Task[None]], clients: list[Client], times: Times) -> Times:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for client in clients:
        client.close()
    return times


@contextlib.contextmanager
def serving(name: str, workspace: Path, connections: int) -> Iterator[tuple[int, Child]]:
    """Run a server; its port and the child."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    start = Start(APPLICATION, port, connections, False, False, False, None, workspace)
    command = COMMANDS[name](start)
    with Child(
        command, cpu=SERVER_CPU, log=workspace / "log", directory=workspace, variables=child_variables()
    ) as child:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
                break
            if not child.alive or time.monotonic() > deadline:
                raise child.fail("the server does not listen")
            time.sleep(0.05)  # between two looks; the deadline ends them
        yield port, child


def _streaming(start: Start) -> list[str]:
    wiverno = next(server for server in SERVERS if server.name == "wiverno-16")
    return [*wiverno.command(start), "--max-threads", str(STREAMS + 16)]


COMMANDS: dict[str, Callable[[Start], list[str]]] = {
    **{server.name: server.command for server in SERVERS},
    "wiverno-streams": _streaming,
}
TITLES = {
    **{server.name: server.title for server in SERVERS},
    "wiverno-streams": f"wiverno, 16 to {STREAMS + 16} threads",
}


def show_greedy(seconds: float, names: tuple[str, ...], workspace: Path) -> None:
    print(f"\n{POLITE_CLIENTS} polite clients beside one with {GREEDY_CONNECTIONS} slow requests; milliseconds\n")
    print("| server | alone: median | alone: p99 | beside: median | beside: p99 | beside: worst | no answer in 5 s |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for name in names:
        try:
            with serving(name, workspace, GREEDY_CONNECTIONS + POLITE_CLIENTS) as (port, _):
                alone = asyncio.run(measure_greedy(port, seconds / 2, is_greedy=False)).describe()
                beside = asyncio.run(measure_greedy(port, seconds, is_greedy=True)).describe()
            print("| " + " | ".join((TITLES[name], *alone[:2], *beside)) + " |", flush=True)
        except ChildFailed as error:
            print(f"| {TITLES[name]} | did not run: {str(error).splitlines()[0]} |", flush=True)


def show_streams(seconds: float, names: tuple[str, ...], workspace: Path) -> None:
    print("\nOne client, milliseconds, beside streams of an event a second each\n")
    print("| server | streams asked for | begun | median | p99 | worst | no answer in 5 s | memory, MB (PSS) |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    for name in names:
        for count in (0, STREAMS):
            with serving(name, workspace, STREAMS + 1) as (port, child):
                times, begun = asyncio.run(measure_streams(port, seconds, count=count))
                row = (TITLES[name], str(count), str(begun), *times.describe(), f"{child.memory_bytes() / 1e6:.0f}")
            print("| " + " | ".join(row) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("greedy", "streams"))
    parser.add_argument("--servers", type=lambda text: tuple(text.split(",")))
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    if not environment.inside():
        environment.prepare()
        os.execv(environment.PYTHON, [str(environment.PYTHON), "-m", "benchmarks.sharing", *sys.argv[1:]])
    os.sched_setaffinity(0, {CLIENT_CPU})
    with tempfile.TemporaryDirectory() as directory:
        if options.only != "streams":
            show_greedy(options.seconds, options.servers or GREEDY_SERVERS, Path(directory))
        if options.only != "greedy":
            show_streams(options.seconds, options.servers or STREAM_SERVERS, Path(directory))


if __name__ == "__main__":
    main()
