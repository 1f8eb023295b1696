"""The real LeaderFollowers, its threads stepped one at a time: the test chooses which one runs at each shared access.

Each thread runs until it touches something that threads share (a claim, the mark that the monitor thread is parked, the
list of idle threads, a lock, the loop's wait, the application) and stops there. So every interleaving of those accesses
can be made, and repeated. Two leaders, a request that runs twice, or a moment in which all threads wait although there
is something to do, are found where they happen.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from wiverno.core.loop.event_loop import MAX_WAIT
from wiverno.core.threads.blocking import Detector
from wiverno.core.threads.exchange import NO_ENVIRON
from wiverno.core.threads.leader import LeaderFollowers
from wiverno.core.threads.recovery import Recovery
from wiverno.core.threads.thread_pool import PoolThread, ThreadPool
from wiverno.wsgi.gateway import KEEP

PATIENCE = 20.0  # seconds in which a thread reaches its next stop


IDLE_CHECKS = 4  # checks of the monitor thread, with all others waiting, after which nothing more will happen


class Broken(BaseException):
    """An invariant does not hold."""


class Actor:
    """A thread and what it waits for: `is_able` tells whether it can go on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.baton = threading.Semaphore(0)
        self.is_able: Callable[[], bool] = lambda: True
        self.place = "start"
        self.is_polite = False  # at a place where it may stop for ever without harm: a look at nothing
        self.has_ended = False


class Stage:
    """Lets one actor run at a time; `step` is the test's, the other methods are the actors'."""

    def __init__(self) -> None:
        self.actors: list[Actor] = []
        self.failures: list[str] = []
        self._stopped = threading.Semaphore(0)
        self._local = threading.local()

    def start(self, name: str, run: Callable[[], None]) -> threading.Thread:
        actor = Actor(name)

        def body() -> None:
            self._local.actor = actor
            actor.baton.acquire()
            try:
                run()
            except BaseException as error:  # a broken invariant, raised where it was broken
                self.failures.append(f"{actor.name}: {type(error).__name__}: {error}")
            actor.has_ended = True
            self._stopped.release()

        thread = threading.Thread(target=body, name=name, daemon=True)
        self.actors.append(actor)
        thread.start()
        return thread

    def stop(self, place: str, is_able: Callable[[], bool] = lambda: True, *, is_polite: bool = False) -> None:
        """Stop the calling actor until it is chosen, which may be when `is_able` holds."""
        actor: Actor | None = getattr(self._local, "actor", None)
        if actor is None:
            return  # the test itself
        actor.place, actor.is_able, actor.is_polite = place, is_able, is_polite
        self._stopped.release()
        actor.baton.acquire()

    def able(self, *, polite: bool = True) -> list[Actor]:
        """Return the actors that could go on; without those that would only look at nothing, if not `polite`."""
        return [
            actor
            for actor in self.actors
            if not actor.has_ended and (polite or not actor.is_polite) and actor.is_able()
        ]

    def step(self, actor: Actor) -> None:
        """Let one actor run to its next stop."""
        actor.baton.release()
        assert self._stopped.acquire(timeout=PATIENCE), f"{actor.name} does not come back from {actor.place}"
        assert not self.failures, self.failures


class SteppedLock:
    """A lock whose every acquire is a stop."""

    def __init__(self, stage: Stage, name: str, *, is_taken: bool = False) -> None:
        self._stage = stage
        self._name = name
        self.is_taken = is_taken

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if timeout >= 0:
            self._stage.stop(f"timed {self._name}", is_polite=True)
            if self.is_taken:
                return False
        else:
            self._stage.stop(self._name, lambda: not self.is_taken)
        self.is_taken = True
        return True

    def release(self) -> None:
        if not self.is_taken:
            raise RuntimeError("release unlocked lock")
        self.is_taken = False

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class SteppedClaim(list[Any]):
    """A leader's claim: putting, taking and looking are stops."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def append(self, claim: Any) -> None:
        self._stage.stop("put a claim")
        super().append(claim)
        if len(self) > 1:
            raise Broken("two claims of one leader")

    def pop(self, *index: Any) -> Any:
        self._stage.stop("take a claim")
        return super().pop(*index)

    def __bool__(self) -> bool:
        self._stage.stop("look for a claim")
        return len(self) > 0


class SteppedDetector(Detector):
    """Takes each call for one that computes as often as it is told; the kernel would tell something else each time."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._turn = -1
        self._looks = 0

    def is_running(self, turn: int, now: float) -> bool:
        if turn != self._turn:
            self._turn, self._looks = turn, 0
        self._looks += 1
        return self._looks <= self._patience


class Environ(dict[str, Any]):
    """A request: its number, and how it will behave."""


class FakeGateway:
    """The application: stops in a request that is to block until the test lets it go on."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def respond(self, environ: Environ) -> int:
        return self._world.respond(environ)


class FakeConnection:
    """A client that has at most one request in progress, as far as the threads can see."""

    def __init__(self, world: "World", fd: int) -> None:
        self.fd = fd
        self.needs_finish = False
        self.gateway = FakeGateway(world)
        self._world = world
        self.request: Environ | None = None
        self.environ: Any = NO_ENVIRON
        self.is_detached = False

    def ready(self, events: int) -> "FakeConnection | None":
        with self._world.leading(f"ready {self.fd}"):
            self._world.stage.stop("read a request")
            request, self.request = self.request, None
            if self.is_detached:
                raise Broken(f"connection {self.fd} belongs to a thread and is read by the leader")
            if request is None:
                return None
            self.environ = request
            return self

    def hand_off(self) -> None:
        self._world.stage.stop("detach")
        self.is_detached = True

    def hand_off_locked(self) -> None:
        self.is_detached = True

    def finish_response(self, outcome: int) -> None:
        self._world.stage.stop("settle")
        if not self.is_detached:
            raise Broken(f"connection {self.fd} is settled by a thread that it was not given to")
        self.is_detached = False

    def answer(self, status: int, detail: str, retry_after: int = 0, environ: object = None) -> None:
        raise Broken(f"{status} {detail}")

    def close(self) -> None:
        raise Broken("closed because of an exception")


class FakeLoop:
    """Events that the test makes; waiting is a stop."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.ready: deque[tuple[int, int]] = deque()
        self.begun: deque[FakeConnection] = deque()
        self.handlers: dict[int, FakeConnection] = {}
        self.arming = SteppedLock(world.stage, "arming")
        self.now = 0.0
        self.come: list[int] = []
        self.is_woken = False
        self.has_timer = False  # time has passed, and idle threads may end
        self.poller = self
        self.thread_pool: ThreadPool | None = None

    def wait(self, longest: float = MAX_WAIT) -> None:
        with self._world.leading("wait"):
            self._world.stage.stop("wait", lambda: self.is_woken or bool(self._armed()) or not longest)
            self.is_woken = False
            if self.has_timer:
                self.has_timer = False
                self._world.leaders.growth.retire()
            for fd in self._armed():
                self.ready.append((fd, 1))
                self.come.remove(fd)

    def _armed(self) -> list[int]:
        """Return whose events a poller would tell: not of those that a thread works for."""
        return [fd for fd in self.come if not self.handlers[fd].is_detached]

    def wake(self) -> None:
        self.is_woken = True

    def watch(self, handler: object, when: float) -> None:
        pass


class Leading:
    """What only the leader does; two at a time is the end of the test."""

    def __init__(self, world: "World", what: str) -> None:
        self._world = world
        self._what = what

    def __enter__(self) -> None:
        others = self._world.doing_leaders_work
        others.append(f"{threading.current_thread().name} in {self._what}")
        if len(others) > 1:
            raise Broken(f"two threads lead: {others}")

    def __exit__(self, *_: object) -> None:
        self._world.doing_leaders_work.pop()


class SteppedLeaders(LeaderFollowers):
    """The threads with stops at their shared marks: properties in the place of attributes."""

    world: "World"

    def _new_claim(self) -> list[Any]:
        return SteppedClaim(self.world.stage)


class SteppedPool(ThreadPool):
    """The threads of the pool as actors."""

    stage: Stage

    def _add_member(self) -> PoolThread:
        member = super()._add_member()
        member.park = SteppedLock(self.stage, f"park {self._started - 1}", is_taken=True)
        return member

    def _start_member(self, member: PoolThread) -> None:
        thread, member.thread = member.thread, None  # no thread joins an actor
        assert thread is not None
        self.stage.start(thread.name, lambda: self._serve(member))


class UnforgivingRecovery(Recovery):
    """Ends the test at any exception that the threads would survive."""

    stage: Stage

    def log_error(self, error: BaseException) -> None:
        self.stage.failures.append(f"{threading.current_thread().name}: {type(error).__name__}: {error}")

    def fail(self, error: BaseException) -> None:
        self.log_error(error)

    def drop(self, connection: object, error: BaseException) -> None:
        self.log_error(error)


def _shared(name: str) -> property:
    hidden = "stepped" + name

    def read(self: SteppedLeaders) -> Any:
        self.world.stage.stop(f"read {name}")
        return self.__dict__[hidden]

    def write(self: SteppedLeaders, value: Any) -> None:
        if hasattr(self, "world"):
            self.world.stage.stop(f"write {name}")
        self.__dict__[hidden] = value

    return property(read, write)


for _name in ("_claim", "_is_parked", "is_saturated"):
    setattr(SteppedLeaders, _name, _shared(_name))


class World:
    """Threads on a stage, clients, and an application whose requests block until they are released."""

    def __init__(
        self,
        threads: int,
        clients: int,
        leaders: type[SteppedLeaders] = SteppedLeaders,
        *,
        max_threads: int = 0,
        max_per_client: int = 0,
        patience: int = 0,
    ) -> None:
        """Make a world; two neighbouring connections belong to one client address.

        Args:
            threads: in the pool.
            clients: connections.
            leaders: what is tested.
            max_threads: in the pool when requests wait.
            max_per_client: requests of one client that may run at once, 0 for any number.
            patience: how often the monitor thread takes a call that lasts for one that computes.
        """
        self.stage = Stage()
        self.doing_leaders_work: list[str] = []
        self.loop = FakeLoop(self)
        self.max_threads = max(threads, max_threads)
        self.max_per_client = max_per_client
        self.blocked: dict[int, Environ] = {}  # by number, in the application until let go
        self.release: set[int] = set()
        self.running: dict[int, str] = {}
        self.calls: dict[int, int] = {}
        self.asked: dict[int, int] = {}  # client → number of its request in progress
        self.answered: set[int] = set()
        self._count = 0
        for fd in range(clients):
            self.loop.handlers[fd] = FakeConnection(self, fd)
        loop: Any = self.loop
        made = leaders(
            loop, threads, queue_size=0, queue_timeout=0.0, max_threads=max_threads, max_per_client=max_per_client
        )
        made._blocking = SteppedDetector(patience)
        made._check_lock = SteppedLock(self.stage, "look", is_taken=True)
        made._lock = SteppedLock(self.stage, "lock")  # type: ignore[assignment]
        made.recovery = UnforgivingRecovery(loop, made.end)
        made.recovery.stage = self.stage
        thread_pool = SteppedPool(threads, made._serve, made._lock, most=max_threads)
        thread_pool.stage = self.stage
        made._use_pool(thread_pool)
        made.world = self
        self.leaders = made
        self.monitor = self.stage.start("monitor", made.run)

    def leading(self, what: str) -> Leading:
        """Stand around what only the leader may do."""
        return Leading(self, what)

    # ---------------------------------------------------------------- what clients do

    def ask(self, fd: int, path: str, *, blocks: bool, is_held: bool = False) -> None:
        """Have an idle client send a request that blocks, perhaps because the client does not read."""
        self._count += 1
        request = Environ(PATH_INFO=path, REQUEST_METHOD="GET", number=self._count, fd=fd, blocks=blocks)
        request["is_held"] = is_held
        request["REMOTE_ADDR"] = self.client_of(fd)
        self.loop.handlers[fd].request = request
        self.asked[fd] = self._count
        self.loop.come.append(fd)

    def client_of(self, fd: int) -> str:
        """Return the address of a connection's client: two neighbours have one."""
        return f"192.0.2.{fd // 2}"

    def count_running(self, fd: int) -> int:
        """Return how many requests of the client of `fd` are in the application."""
        return sum(self.client_of(other) == self.client_of(fd) for other in self.running)

    def idle_clients(self) -> list[int]:
        return [fd for fd in self.loop.handlers if fd not in self.asked]

    # ---------------------------------------------------------------- what the application does

    def respond(self, environ: Environ) -> int:
        number, fd = environ["number"], environ["fd"]
        self.calls[number] = self.calls.get(number, 0) + 1
        if fd in self.running:
            raise Broken(f"connection {fd} is run by two threads")
        self.running[fd] = threading.current_thread().name
        if self.max_per_client and self.count_running(fd) > self.max_per_client:
            raise Broken(f"more than {self.max_per_client} of one client run: {self.running}")
        if environ["blocks"]:
            if environ["is_held"]:
                self.leaders.thread_pool.begin_blocking()
            self.blocked[number] = environ
            self.stage.stop("the application", lambda: number in self.release)
            del self.blocked[number]
            if environ["is_held"]:
                self.leaders.thread_pool.end_blocking()
        else:
            self.stage.stop("the application")
        del self.running[fd]
        self.answered.add(number)
        connection = self.loop.handlers[fd]
        connection.needs_finish = False
        del self.asked[fd]
        return KEEP

    # ---------------------------------------------------------------- the course of things

    def go_on(self, rounds: int, choose: Callable[[list[Actor]], Actor] | None = None) -> None:
        """Step everybody in turn, `rounds` times; or whom `choose` chooses."""
        for _ in range(rounds):
            if choose is None:
                for actor in self.stage.able():
                    if not actor.has_ended and actor.is_able():
                        self.stage.step(actor)
            elif able := self.stage.able():
                self.stage.step(choose(able))

    def run_on(self, switches: dict[int, int], limit: int) -> int:
        """Let one thread run until it has to wait, then the next; but at given steps switch to another one.

        Args:
            switches: step → which of those able to goes on there instead of the one that would.
            limit: steps at most, of all threads together.

        Returns:
            How many steps it took until everybody only waited or looked at nothing.
        """
        current: Actor | None = None
        looks = patience = 0
        for count in range(limit):
            able = self.stage.able()
            if count in switches and able:
                current = able[switches[count] % len(able)]
                patience = IDLE_CHECKS
            elif current is not None and current.is_polite and current.is_able() and patience:
                patience -= 1  # the thread that was switched to may check some times before the others continue
            elif current is None or current.has_ended or current.is_polite or not current.is_able():
                patience = 0
                busy = [actor for actor in able if not actor.is_polite]
                looks = 0 if busy else looks + 1
                if not able or looks > IDLE_CHECKS:
                    return count
                current = (busy or able)[0]
            self.stage.step(current)
        return limit

    def check_progress(self) -> None:
        """With everybody stepping fairly, each request gets into the application that a thread is free for.

        Raises:
            AssertionError: requests wait although threads are free; or all wait for something that never comes.
        """
        for _ in range(60):
            if self._is_served():
                break
            self.go_on(8)
        assert self._is_served(), self.describe()
        assert all(count == 1 for count in self.calls.values()), self.calls

    def _is_served(self) -> bool:
        """Everything asked is answered, or blocks in the application, or waits for a thread or for its client's limit.

        Threads that wait for a client are replaced and do not count.
        """
        waiting = [
            fd
            for fd, number in self.asked.items()
            if number not in self.blocked
            and not (self.max_per_client and self.count_running(fd) >= self.max_per_client)
        ]
        blocked = [number for number, environ in self.blocked.items() if not environ["is_held"]]
        return not waiting or len(blocked) >= self.max_threads

    def describe(self) -> str:
        places = ", ".join(f"{actor.name}: {actor.place}" for actor in self.stage.actors if not actor.has_ended)
        return f"asked {self.asked}, blocked {sorted(self.blocked)}, of {self.max_threads} threads; {places}"

    def finish(self) -> None:
        """Release all requests, check that they are answered, end the pool, and check that every thread ends.

        Raises:
            AssertionError: a request is not answered exactly once, or a thread does not end.
        """
        try:
            self.release.update(range(self._count + 1))
            for _ in range(100):
                if not self.asked:
                    break
                self.go_on(8)
            assert not self.asked, self.describe()
            assert self.calls == dict.fromkeys(range(1, self._count + 1), 1)
        finally:
            self.leaders.end()
            for _ in range(100):
                self.go_on(5)
                self._end_idle()
                if all(actor.has_ended for actor in self.stage.actors):
                    break
        assert all(actor.has_ended for actor in self.stage.actors), self.describe()
        assert not len(self.leaders._claim)

    def _end_idle(self) -> None:
        """Do what ThreadPool.join does, without waiting."""
        if not self.leaders._lock.is_taken:  # type: ignore[attr-defined]
            self.leaders.join(0.0)


class SteppedTime:
    """A clock by which no look is late."""

    def monotonic(self) -> float:
        return 0.0

    def process_time(self) -> float:
        return 0.0
