"""Requests that wait, in turn by client: one that has sent a thousand delays another client by one, not by a thousand.

Each client has a line, first come, first served; the lines take turns (round robin, RFC 970). A client may have a limit
of requests in the application at once: a client at its limit loses its turn until one of its requests has ended.

When the queue is full, the request to refuse is the newest of the client with the longest line; the arriving one if its
client's line would be the longest, or none is longer. So a client that fills the queue refuses itself.

It is a plain value: no lock, no clock, no loop. Adding and taking cost the same however many clients wait.
"""

from collections import deque
from typing import Final

from wiverno.core.threads.exchange import Exchange
from wiverno.wsgi_types import Environ

# The exchange, its request's environ, since when it waits in monotonic seconds, and its client.
Task = tuple[Exchange, Environ, float, str]

NEVER: Final = float("inf")


class _Line:
    """The requests of one client that wait."""

    __slots__ = ("client", "has_turn", "tasks")

    def __init__(self, client: str) -> None:
        self.client = client
        self.tasks: deque[Task] = deque()
        self.has_turn = False


class FairQueue:
    """The lines, their turns, and how many requests of each client run.

    Attributes:
        running: client → its requests in the application; empty without a limit.
        filled_at: since when there has always been a request that a thread could take, in monotonic seconds; only
            meaningful if there is one.
    """

    __slots__ = ("_by_length", "_count", "_limit", "_lines", "_longest", "_size", "_turns", "filled_at", "running")

    def __init__(self, size: int, limit: int) -> None:
        """Make an empty queue.

        Args:
            size: requests that may wait, 0 for any number.
            limit: requests of one client that may run at once, 0 for any number.
        """
        self._size = size
        self._limit = limit
        self._count = 0
        self._lines: dict[str, _Line] = {}
        self._turns: deque[_Line] = deque()
        self._by_length: dict[int, dict[_Line, None]] = {}  # kept only if there is a size
        self._longest = 0
        self.running: dict[str, int] = {}
        self.filled_at = NEVER

    def __len__(self) -> int:
        return self._count

    def has_ready(self) -> bool:
        """Tell whether a request waits whose client is below its limit."""
        return bool(self._turns)

    def add(self, task: Task) -> Task | None:
        """Add a request; return the one that has to be refused because the queue is full, which may be the same."""
        client = task[3]
        line = self._lines.get(client)
        refused = None
        if self._size and self._count >= self._size:
            greediest = next(iter(self._by_length[self._longest]))
            if (len(line.tasks) if line is not None else 0) + 1 >= self._longest:
                return task
            refused = greediest.tasks.pop()  # it keeps others: its line is longer than the arriving one's
            self._count_changed(greediest, -1)
        if line is None:
            line = self._lines[client] = _Line(client)
        line.tasks.append(task)
        self._count_changed(line, 1)
        if not line.has_turn and not self.is_at_limit(client):
            self._give_turn(line)
        return refused

    def take(self) -> Task | None:
        """Remove and return the next request, and count it as running; None if no client has a turn."""
        if not self._turns:
            return None
        line = self._turns.popleft()
        task = line.tasks.popleft()
        self._count_changed(line, -1)
        if self._limit:
            self.begin(line.client)
        if not line.tasks:
            del self._lines[line.client]
        elif self.is_at_limit(line.client):
            line.has_turn = False
        else:
            self._turns.append(line)
        return task

    # ---------------------------------------------------------------- what runs

    def is_at_limit(self, client: str) -> bool:
        """Tell whether no further request of a client may run now."""
        return bool(self._limit) and self.running.get(client, 0) >= self._limit

    def begin(self, client: str) -> None:
        """Count a request that runs without having waited; only with a limit."""
        self._count_running(client, 1)

    def finish(self, client: str) -> None:
        """Count a request that has ended; only with a limit."""
        self._count_running(client, -1)
        line = self._lines.get(client)
        if line is not None and not line.has_turn and not self.is_at_limit(client):
            self._give_turn(line)

    def _count_running(self, client: str, change: int) -> None:
        # It may be -1 for a moment: a blocked leader's request may end before the monitor thread has counted it.
        count = self.running.get(client, 0) + change
        if count:
            self.running[client] = count
        else:
            self.running.pop(client, None)

    # ---------------------------------------------------------------- what waits too long

    def oldest(self) -> float:
        """Return since when the request waits that has waited longest; infinity if none does. Looks at each client."""
        return min((line.tasks[0][2] for line in self._lines.values()), default=NEVER)

    def take_older(self, than: float) -> list[Task]:
        """Remove and return the requests that wait since `than` or longer. Looks at each client."""
        found = []
        for line in list(self._lines.values()):
            while line.tasks and line.tasks[0][2] <= than:
                found.append(line.tasks.popleft())
                self._count_changed(line, -1)
            if not line.tasks:
                del self._lines[line.client]
        if found:
            self._turns = deque(line for line in self._turns if line.tasks)
        return found

    # ---------------------------------------------------------------- bookkeeping

    def _give_turn(self, line: _Line) -> None:
        if not self._turns:
            self.filled_at = line.tasks[0][2]
        line.has_turn = True
        self._turns.append(line)

    def _count_changed(self, line: _Line, change: int) -> None:
        """Note that a line has become longer or shorter by one."""
        self._count += change
        if not self._size:
            return
        length = len(line.tasks)
        if length > change:  # it was in the table before
            before = self._by_length[length - change]
            del before[line]
            if not before:
                del self._by_length[length - change]
        if length:
            self._by_length.setdefault(length, {})[line] = None
        if length > self._longest:
            self._longest = length
        elif self._longest not in self._by_length:
            self._longest -= 1  # the longest one has become shorter by one
