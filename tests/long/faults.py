"""What is done to a server while an ordinary client asks, and what that client notices.

A separate process does the harm (harm.py); `measure` asks beside it and says what became of that. Those who do
harm go on as fast as the server lets them, so a figure says how often they could: a server that is quick to get rid of
them has more of them to do with.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

from tests.long.harm import ask, ended
from tests.long.subjects import Subject, subject
from tests.support.processes import ROOT, Child

ORDINARY_WAIT = 2.0
"""Seconds after which the ordinary client stops waiting."""


@dataclass
class Notice:
    """What the ordinary client got.

    Attributes:
        answered: requests answered with 200.
        lost: requests refused, cut off, or not answered in time.
        times: seconds that each answer took.
        growth: bytes of memory that the server has more at the end.
        harm_rate: what those who do harm got through, a second.
        is_alive: whether it answers when the harm is over.
    """

    answered: int = 0
    lost: int = 0
    times: list[float] = field(default_factory=list)
    growth: int = 0
    harm_rate: float = 0.0
    is_alive: bool = False

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the answers came."""
        ordered = sorted(self.times)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


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
        await asyncio.sleep(0.01)  # the rate of an ordinary client


@dataclass(frozen=True)
class Case:
    """A harm by its name and the limits that the server is put under for it."""

    harm: str
    meaning: str
    unit: str = ""
    """What those who do harm are counted by."""
    limits: dict[str, int] = field(default_factory=dict)


MIB = 1024 * 1024
CASES = {
    "idle": Case("idle", "1,000 idle connections"),
    "dribble": Case("dribble", "1,000 clients that send a head at 1 byte/s"),
    "dribble bodies": Case("dribble bodies", "200 clients that send a body at 10 bytes/s, 16 threads"),
    "stop reading": Case("stop reading", "40 clients that ask for 8 MiB and do not read, 16 threads"),
    "stop reading much": Case(
        "stop reading much", "40 clients that ask for 50 MiB, more than is buffered, and do not read"
    ),
    "reset": Case("reset", "50 clients that reset the connection in every state", "resets"),
    "storm": Case("storm", "50 clients that connect and hang up at full speed", "hang-ups"),
    "descriptors": Case("idle", "1,000 idle connections, 256 descriptors", limits={"NOFILE": 256}),
    "memory": Case(
        "upload", "20 uploads of 8 MiB at a time, no more than 1,600 MiB of address space", "uploads",
        limits={"AS": 1600 * MIB},
    ),
    "disk": Case(
        "upload", "20 uploads of 8 MiB at a time, no file may grow beyond 1 MiB (a full disk)", "uploads",
        limits={"FSIZE": MIB},
    ),
}  # fmt: skip


def _tally(harm: Child) -> tuple[float, int]:
    """Return when the harm said last how often it could, monotonic seconds, and how often."""
    assert harm.process.poll() is None, harm.output
    moment, count = harm.lines[-1].split()
    return float(moment), int(count)


async def _beside(port: int, harm: Child, seconds: float, notice: Notice) -> None:
    await asyncio.sleep(1.2)  # the crowd is there
    begun, before = _tally(harm)
    client = asyncio.ensure_future(ordinary(port, notice))
    await asyncio.sleep(seconds)  # the length of the measurement
    now, count = _tally(harm)
    notice.harm_rate = (count - before) / (now - begun)
    await ended(client)


async def _recovers(port: int, deadline: float) -> bool:
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(2):
                if await ask(port):
                    return True
        await asyncio.sleep(0.05)  # between two looks; the deadline ends them
    return False


def _settled(running: Subject) -> int:
    """Return the least memory of a server in the seconds after a fault: it may take a moment to give it back."""
    least = running.memory
    end = time.monotonic() + 3
    while time.monotonic() < end:
        time.sleep(0.1)  # between two looks; the deadline ends them
        least = min(least, running.memory)
    return least


def measure(name: str, case: Case, seconds: float) -> Notice:
    """Put a server under a fault for a while and return what the ordinary client noticed."""
    with subject(name, case.limits) as running:
        asyncio.run(_recovers(running.port, 10))
        before = running.memory
        notice = Notice()
        with Child(["-m", "tests.long.harm", case.harm, str(running.port)], cwd=ROOT) as harm:
            harm.wait_for(r"\d\n")
            asyncio.run(_beside(running.port, harm, seconds, notice))
        notice.growth = _settled(running) - before
        notice.is_alive = running.child.process.poll() is None and asyncio.run(_recovers(running.port, 10))
        return notice
