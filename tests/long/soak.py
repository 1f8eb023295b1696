"""Full load for a long time, with reloads: memory, descriptors and threads must stay what they were.

python -m tests.long.soak SECONDS [SUBJECT]    prints what it saw; every sample is in build/soak/SUBJECT.csv

A server with workers is reloaded (SIGHUP) every 25 seconds meanwhile; one that is a single process has nothing to
reload. What counts as a failure: a request without its answer, an answer that is not 200, or a kept connection that is
closed without the announcement `Connection: close`. Clients that reset their own connections count for nothing.
"""

import asyncio
import csv
import signal
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, fields

from tests.long.harm import connected, ended, reset
from tests.long.subjects import WITH_WORKERS, Subject, subject
from tests.support.processes import ROOT

MIB = 1024 * 1024
FOLDER = ROOT / "build" / "soak"
RELOAD_EVERY = 25.0  # seconds
KEEPERS = 20
COMERS = 5
ANSWER_WAIT = 10.0  # seconds after which a request has failed

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"
REQUESTS = (GET, POST, GET, CHUNKED) * 8 + (SLOW,)


@dataclass(frozen=True)
class Sample:
    """What has been so after so many seconds.

    Attributes:
        seconds: since the beginning.
        requests: answered so far.
        rate: requests a second since the sample before.
        failures: so far.
        reloads: so far.
        memory: bytes of all processes.
        descriptors: of all processes.
        threads: of all processes.
        processes: how many.
    """

    seconds: float
    requests: int
    rate: float
    failures: int
    reloads: int
    memory: int
    descriptors: int
    threads: int
    processes: int


class Soak:
    """Clients that keep their connections, some that do not, and 50 that reset theirs in every state."""

    def __init__(self, name: str, running: Subject) -> None:
        self.name = name
        self.running = running
        self.answered = 0
        self.reloads = 0
        self.failures: list[str] = []
        self.samples: list[Sample] = []
        self._turn = 0

    async def keeper(self) -> None:
        """Ask on one connection without a pause until the server says that it closes it."""
        async with connected(self.running.port) as (reader, writer):
            while await self.exchange(reader, writer):
                pass

    async def comer(self) -> None:
        """Ask on a new connection."""
        async with connected(self.running.port) as (reader, writer):
            await self.exchange(reader, writer)

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Ask for the next thing; False if the server closes the connection after its answer."""
        self._turn += 1
        writer.write(REQUESTS[self._turn % len(REQUESTS)])
        async with asyncio.timeout(ANSWER_WAIT):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
        if head.startswith(b"http/1.1 200"):
            self.answered += 1
        else:
            self.failures.append(repr(head[:100]))
        return b"\r\nconnection: close" not in head

    async def again(self, client: Callable[[], Awaitable[None]]) -> None:
        """Have a client go on for ever, and note what it suffers."""
        while True:
            try:
                await client()
            except (OSError, TimeoutError, EOFError) as error:
                self.failures.append(f"after {self.reloads} reloads: {error!r}")
                await asyncio.sleep(0.1)  # before it begins again

    async def reload(self, every: float) -> None:
        """Reload now and then."""
        while True:
            await asyncio.sleep(every)  # the rate of reloads
            self.reloads += 1
            self.running.child.send(signal.SIGHUP)

    def sample(self, seconds: float) -> None:
        """Look at what the server holds."""
        running = self.running
        before = self.samples[-1] if self.samples else None
        passed = seconds - (before.seconds if before else 0.0)
        rate = (self.answered - (before.requests if before else 0)) / passed
        self.samples.append(
            Sample(
                round(seconds, 2), self.answered, round(rate, 1), len(self.failures), self.reloads, running.memory,
                running.descriptors, running.threads, len(running.processes),
            )
        )  # fmt: skip

    async def run(self, seconds: float) -> None:
        """Do it for so long, and look once a second, or thirty times if that is more often."""
        begun = time.monotonic()
        tasks = [asyncio.ensure_future(self.again(self.keeper)) for _ in range(KEEPERS)]
        tasks += [asyncio.ensure_future(self.again(self.comer)) for _ in range(COMERS)]
        tasks.append(asyncio.ensure_future(reset(self.running.port)))
        if self.name in WITH_WORKERS:
            tasks.append(asyncio.ensure_future(self.reload(min(RELOAD_EVERY, seconds / 3))))
        interval = min(1.0, seconds / 30)
        for step in range(1, int(seconds / interval) + 1):
            await asyncio.sleep(max(0.0, begun + interval * step - time.monotonic()))  # the rate of samples
            self.sample(time.monotonic() - begun)
            for task in tasks:
                if task.done():
                    task.result()
        await ended(*tasks)

    def save(self) -> None:
        """Write the samples."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        with (FOLDER / f"{self.name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
            writer.writeheader()
            writer.writerows(asdict(sample) for sample in self.samples)

    def level(self, name: str, *, tenth: int) -> float:
        """Return the median of a figure in one tenth of the time; 0 is the first."""
        count = len(self.samples)
        window = self.samples[count * tenth // 10 : max(count * (tenth + 1) // 10, count * tenth // 10 + 1)]
        return float(statistics.median(getattr(sample, name) for sample in window))

    def growth(self) -> list[str]:
        """Say what is not flat: the last tenth of the time against the second."""
        allowed = {"memory": (1.1, 4 * MIB), "descriptors": (1.0, 20), "threads": (1.0, 2), "processes": (1.0, 0)}
        found = []
        for name, (factor, more) in allowed.items():
            first, last = self.level(name, tenth=1), self.level(name, tenth=9)
            if last > first * factor + more:
                found.append(f"{name}: {first:,.0f} in the second tenth, {last:,.0f} in the last")
        return found


def soak(name: str, seconds: float) -> Soak:
    """Soak a server and return what was seen."""
    with subject(name) as running:
        watcher = Soak(name, running)
        asyncio.run(watcher.run(seconds))
        if watcher.failures:
            watcher.failures.append(running.child.output[-2000:])
        watcher.save()
        return watcher


def main(seconds: str, name: str = "wiverno, 2 workers") -> None:
    """Print ten samples and the judgement."""
    seen = soak(name, float(seconds))
    for one in seen.samples[:: max(len(seen.samples) // 10, 1)]:
        print(
            f"{one.seconds:7.0f} s {one.requests:10,} requests {one.rate:7,.0f}/s {one.memory / MIB:7.1f} MiB "
            f"{one.descriptors:5} descriptors {one.threads:4} threads {one.processes:3} processes"
        )
    print(f"{seen.reloads} reloads, {len(seen.failures)} failures {seen.failures[:3]}")
    print("\n".join(seen.growth()) or "flat")


if __name__ == "__main__":
    main(*sys.argv[1:])
