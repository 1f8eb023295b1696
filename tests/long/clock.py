"""The system's clock jumps while a server serves: what its clients notice.

The machine's clock is left alone: a few lines of C (clock.c), compiled here and preloaded into the server, add an
offset to what it sees of it. That takes a C compiler, `cc`.
"""

import asyncio
import contextlib
import email.utils
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.long.harm import REQUEST, connected, ended
from tests.long.subjects import Subject, subject
from tests.support.programs import program

SOURCE = Path(__file__).with_suffix(".c")
TIMEOUT = 4.0
"""The server's channel_timeout, seconds."""
JUMPS = {"an hour forward": 3600, "a day back": -86400}
IDLE = 20
ASKERS = 4
PATIENCE = TIMEOUT + 6.0


class OffsetClock:
    """A library to preload, and the file with the offset."""

    def __init__(self, folder: Path) -> None:
        compiler = program("cc", package="gcc")
        self._library = folder / "clock.so"
        self._offset = folder / "offset"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self.set(0)

    @property
    def variables(self) -> dict[str, str]:
        """What the server needs in its environment."""
        return {"LD_PRELOAD": str(self._library), "CLOCK_OFFSET_FILE": str(self._offset)}

    def set(self, seconds: int) -> None:
        """Let the clock be wrong by so much from now on."""
        with self._offset.open("r+b" if self._offset.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))


@contextmanager
def offset_clock() -> Iterator[OffsetClock]:
    """Compile the library for the length of the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield OffsetClock(Path(folder))


@dataclass
class Clockwork:
    """What became of a server whose clock jumped.

    Attributes:
        answered: requests of those who ask without a pause.
        lost: requests of theirs without an answer.
        closed_early: idle connections closed within a second after the jump, long before their time.
        closed_after: seconds after their last use in which all idle connections were closed; 0 if they were not.
        follows: whether the Date header is the new time.
        is_unharmed: whether it has the same processes as before.
    """

    answered: int = 0
    lost: int = 0
    closed_early: int = 0
    closed_after: float = 0.0
    follows: bool = False
    is_unharmed: bool = False


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(len(b"hello"))
    return head


async def _ask(port: int, seen: Clockwork) -> None:
    """Ask without a pause, a hundred times a connection."""
    while True:
        try:
            async with asyncio.timeout(2), connected(port) as (reader, writer):
                for _ in range(100):
                    head = await _exchange(reader, writer)
                    seen.answered += 1
                    if b"\r\nconnection: close" in head.lower():
                        break
        except (OSError, EOFError, TimeoutError):
            seen.lost += 1
            await asyncio.sleep(0.05)  # before it connects again


async def _idle(port: int, closed: list[float]) -> None:
    """Ask once, and note when the server closes the connection."""
    async with connected(port) as (reader, writer):
        await _exchange(reader, writer)
        with contextlib.suppress(OSError):
            await reader.read(1)
        closed.append(time.monotonic())


async def _date(port: int) -> float:
    async with connected(port) as (reader, writer):
        head = (await _exchange(reader, writer)).decode("latin-1")
    (line,) = (line for line in head.split("\r\n") if line.lower().startswith("date:"))
    return email.utils.parsedate_to_datetime(line[5:].strip()).timestamp()


async def _jump(running: Subject, clock: OffsetClock, seconds: int, seen: Clockwork) -> None:
    closed: list[float] = []
    askers = [asyncio.ensure_future(_ask(running.port, seen)) for _ in range(ASKERS)]
    idlers = [asyncio.ensure_future(_idle(running.port, closed)) for _ in range(IDLE)]
    used = time.monotonic()
    await asyncio.sleep(TIMEOUT / 4)  # askers and idlers are in the middle of what they do
    before = running.processes
    clock.set(seconds)
    await asyncio.sleep(1.0)  # what the jump ends too early ends by then
    seen.closed_early = len(closed)
    seen.follows = abs(await _date(running.port) - (time.time() + seconds)) < 2.5
    await asyncio.wait(idlers, timeout=used + PATIENCE - time.monotonic())
    if len(closed) == IDLE:
        seen.closed_after = max(closed) - used
    seen.is_unharmed = running.processes == before
    await ended(*askers, *idlers)


def jump(name: str, seconds: int) -> Clockwork:
    """Let a server's clock jump by so many seconds, and return what its clients noticed."""
    seen = Clockwork()
    with offset_clock() as clock:
        variables = {**clock.variables, "CHANNEL_TIMEOUT": str(int(TIMEOUT))}
        with subject(name, env=variables) as running:
            asyncio.run(_jump(running, clock, seconds, seen))
    return seen
