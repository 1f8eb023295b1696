"""Load for a long time: memory, descriptors and threads must stay what they were.

python -m tests.long.soak SECONDS [SUBJECT]    prints a sample every tenth of the time
"""

import asyncio
import sys
import time
from dataclasses import dataclass

from tests.long.harm import ask, connected, ended, reset
from tests.long.subjects import Subject, subject

REQUESTS = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
)


@dataclass(frozen=True)
class Sample:
    """What a server holds after so many seconds and requests: bytes, descriptors, threads."""

    seconds: float
    requests: int
    memory: int
    descriptors: int
    threads: int


class Soak:
    """20 clients that keep their connections, 5 that do not, and 10 that reset theirs in every phase."""

    def __init__(self, running: Subject) -> None:
        self.running = running
        self.answered = 0
        self.failures: list[str] = []
        self.samples: list[Sample] = []

    async def keeper(self, number: int) -> None:
        """Ask on one connection without a pause."""
        async with connected(self.running.port) as (reader, writer):
            count = number
            while True:
                writer.write(REQUESTS[count % len(REQUESTS)])
                count += 1
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.split(b":")[1]))
                self.note(head.startswith(b"HTTP/1.1 200"), head)

    async def comer(self) -> None:
        """Ask on a new connection each time."""
        while True:
            self.note(await ask(self.running.port), b"")

    def note(self, is_good: bool, head: bytes) -> None:
        """Count an answer."""
        if is_good:
            self.answered += 1
        else:
            self.failures.append(repr(head[:100]))

    def sample(self, seconds: float) -> None:
        """Look at what the server holds."""
        running = self.running
        self.samples.append(Sample(seconds, self.answered, running.memory, running.descriptors, running.threads))

    async def run(self, seconds: float, harm: bool) -> None:
        """Do it for so long, and look ten times; the first look is after a tenth, when everything is warm."""
        begun = time.monotonic()
        tasks = [asyncio.ensure_future(self.keeper(number)) for number in range(20)]
        tasks += [asyncio.ensure_future(self.comer()) for _ in range(5)]
        if harm:
            tasks.append(asyncio.ensure_future(reset(self.running.port)))
        for step in range(1, 11):
            await asyncio.sleep(max(0.0, begun + seconds * step / 10 - time.monotonic()))
            self.sample(time.monotonic() - begun)
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception():
                self.failures.append(repr(task.exception()))
        await ended(*tasks)


def soak(name: str, seconds: float, *, harm: bool = True) -> Soak:
    """Soak a server and return what was seen."""
    with subject(name) as running:
        watcher = Soak(running)
        asyncio.run(watcher.run(seconds, harm))
        return watcher


def main(seconds: str, name: str = "wiverno") -> None:
    """Print the samples."""
    seen = soak(name, float(seconds))
    for one in seen.samples:
        print(
            f"{one.seconds:7.0f} s {one.requests:10,} requests {one.memory / 2**20:7.1f} MiB "
            f"{one.descriptors:5} descriptors {one.threads:4} threads"
        )
    print(f"{len(seen.failures)} failures {seen.failures[:3]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
