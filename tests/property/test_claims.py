"""The lead changes hands in every order that threads can be interleaved in, and no client is ever forgotten.

A state machine chooses which thread makes its next step at each shared access of the real LeaderFollowers (see
tests/support/stepping.py). What it asserts is the contract at the top of wiverno/core/threads/leader.py.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.examples import examples
from tests.support.stepping import SteppedTime, World
from wiverno.core.threads import followers as followers_module
from wiverno.core.threads import growth as growth_module
from wiverno.core.threads import leader as leader_module

CLIENTS = 5
PLACES = (
    "put a claim", "take a claim", "look for a claim", "read _claim", "write _claim", "read _is_parked",
    "write _is_parked", "read is_saturated", "write is_saturated", "look", "lock", "wait", "the application",
)  # fmt: skip


class Lead(RuleBasedStateMachine):
    """Clients ask, requests block and are let go, and threads step in the order that hypothesis wants."""

    world: World | None = None

    @initialize(
        threads=st.integers(1, 3), further=st.integers(0, 2), limit=st.integers(0, 2), patience=st.integers(0, 2)
    )
    def begin(self, threads: int, further: int, limit: int, patience: int) -> None:
        """There are so many threads, so many further ones if requests wait, and a limit for each client."""
        self.world = World(threads, CLIENTS, max_threads=threads + further, max_per_client=limit, patience=patience)

    @precondition(lambda self: self.world is not None and self.world.idle_clients())
    @rule(
        chance=st.integers(0, CLIENTS - 1),
        blocks=st.booleans(),
        is_held=st.booleans(),
        path=st.sampled_from(["/a", "/b", "/r/1", "/r/2"]),
    )
    def ask(self, chance: int, blocks: bool, is_held: bool, path: str) -> None:
        assert self.world is not None
        idle = self.world.idle_clients()
        self.world.ask(idle[chance % len(idle)], path, blocks=blocks, is_held=is_held)

    @precondition(lambda self: self.world is not None and self.world.blocked)
    @rule(chance=st.integers(0, CLIENTS - 1))
    def release(self, chance: int) -> None:
        assert self.world is not None
        blocked = sorted(self.world.blocked)
        self.world.release.add(blocked[chance % len(blocked)])

    @rule(choices=st.lists(st.integers(0, 4), min_size=1, max_size=25))
    def step(self, choices: list[int]) -> None:
        """Let threads make single steps in an order of hypothesis' choice."""
        assert self.world is not None
        for choice in choices:
            self.world.go_on(1, lambda able, choice=choice: able[choice % len(able)])  # type: ignore[misc]

    @rule(choice=st.integers(0, 4), count=st.integers(1, 30))
    def run_one(self, choice: int, count: int) -> None:
        """Let one thread run far ahead of the others."""
        assert self.world is not None
        able = self.world.stage.able()
        for actor in able[choice % len(able) :][:1] if able else []:
            for _ in range(count):
                if not actor.has_ended and actor.is_able():
                    self.world.stage.step(actor)

    @rule(choice=st.integers(0, 4), place=st.sampled_from(PLACES))
    def run_one_to(self, choice: int, place: str) -> None:
        """Let one thread run until it is about to do a certain thing, and keep it there."""
        assert self.world is not None
        able = self.world.stage.able()
        for actor in able[choice % len(able) :][:1] if able else []:
            for _ in range(30):
                if actor.has_ended or not actor.is_able():
                    break
                self.world.stage.step(actor)
                if actor.place == place:
                    break

    @rule()
    def time_passes(self) -> None:
        """Threads beyond the usual ones end if they are idle when the leader looks."""
        assert self.world is not None
        self.world.loop.has_timer = self.world.loop.is_woken = True

    @rule()
    def everybody_gets_on(self) -> None:
        assert self.world is not None
        self.world.check_progress()

    @invariant()
    def nothing_is_broken(self) -> None:
        if self.world is not None:
            assert not self.world.stage.failures, self.world.stage.failures

    def teardown(self) -> None:
        if self.world is not None:
            self.world.finish()


@pytest.fixture(autouse=True)
def _quick_to_park(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still, and the monitor thread parks after one check of an idle leader: the races are there."""
    monkeypatch.setattr(leader_module, "time", SteppedTime())
    monkeypatch.setattr(followers_module, "time", SteppedTime())
    monkeypatch.setattr(leader_module, "QUIET_CHECKS", 0)
    for name in ("PATIENCE", "STEP", "IDLE_TIME"):
        monkeypatch.setattr(growth_module, name, 0.0)


def explore(count: int, steps: int) -> None:
    limits = settings(
        max_examples=count, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Lead, settings=limits)


def test_the_lead_in_every_order() -> None:
    explore(examples(80), 40)


# What happens together: requests (client, path, whether it blocks, whether its client holds the thread), and None for
# letting all blocked ones go.
Part = list[tuple[int, str, bool, bool] | None]
QUICK, STALL, OTHER = (0, "/a", False, False), (1, "/b", True, False), (2, "/c", False, False)
HELD = (3, "/h", True, True)
# Threads, further ones if requests wait, requests of one client at once (connections 0 and 1 are one client's).
Size = tuple[int, int, int]
SCENARIOS: dict[str, tuple[Size, list[Part]]] = {
    "a stall, then another request": ((2, 0, 0), [[STALL], [OTHER]]),
    "a quick one and a stall, then another": ((2, 0, 0), [[QUICK, STALL], [OTHER]]),
    "a stall with one thread, and another waits": ((1, 0, 0), [[STALL], [OTHER], [None], [QUICK]]),
    "a stall ends as another request comes": ((1, 0, 0), [[STALL], [None, OTHER], [QUICK]]),
    "a predicted stall": ((2, 0, 0), [[STALL], [None], [STALL, OTHER]]),
    "a predicted stall with one thread": ((1, 0, 0), [[STALL], [None], [STALL], [OTHER], [None]]),
    "all threads stalled, all let go": (
        (2, 0, 0),
        [[STALL, (0, "/a", True, False)], [OTHER], [None, (3, "/d", True, False)]],
    ),
    "a thread is held, others go on": ((1, 0, 0), [[HELD], [OTHER], [None, QUICK]]),
    "one held, one stalled, then a third": ((1, 0, 0), [[HELD, STALL], [OTHER], [None], [QUICK]]),
    "a second thread is started": ((1, 1, 0), [[STALL], [OTHER, QUICK], [None]]),
    "a second thread is started as the first is let go": ((1, 1, 0), [[STALL, OTHER], [None, QUICK], [QUICK]]),
    "a client at its limit": ((2, 0, 1), [[STALL], [QUICK, OTHER], [None], [QUICK]]),
    "a client at its limit is let go as it asks": ((2, 0, 1), [[STALL], [None, QUICK], [QUICK]]),
    "a client at its limit, all threads stalled": ((1, 0, 1), [[STALL, QUICK], [OTHER], [None]]),
    "a client at its limit with a predicted stall": ((2, 0, 1), [[STALL], [None], [STALL], [QUICK], [None]]),
}


def play(size: Size, parts: list[Part], switched: int, switches: dict[int, int]) -> int:
    """Play a scenario with threads switched in one of its parts; return how many steps that part took."""
    threads, further, limit = size
    world = World(threads, CLIENTS, max_threads=threads + further, max_per_client=limit)
    taken = 0
    try:
        world.run_on({}, 500)
        for number, part in enumerate(parts):
            for step in part:
                if step is None:
                    world.release.update(world.blocked)
                else:
                    world.ask(step[0], step[1], blocks=step[2], is_held=step[3])
            count = world.run_on(switches if number == switched else {}, 500)
            taken = count if number == switched else taken
        world.check_progress()
    finally:
        world.finish()
    return taken


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_single_switch(name: str) -> None:
    """Each thread in turn is stopped before each of its steps, once, while another one runs until it has to wait."""
    size, parts = SCENARIOS[name]
    actors = size[0] + size[1] + 1
    for part in range(len(parts)):
        length = play(size, parts, part, {})
        for moment in range(length):
            for other in range(actors):
                play(size, parts, part, {moment: other})


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_pair_of_switches(name: str) -> None:
    """The same with two such stops, wherever they are."""
    size, parts = SCENARIOS[name]
    actors = size[0] + size[1] + 1
    for part in range(len(parts)):
        length = play(size, parts, part, {})
        for first in range(length):
            for second in range(first + 1, length + 10):
                for other in range(actors):
                    for third in range(actors):
                        play(size, parts, part, {first: other, second: third})


@pytest.mark.long
def test_the_lead_in_very_many_orders() -> None:
    explore(3000, 60)
