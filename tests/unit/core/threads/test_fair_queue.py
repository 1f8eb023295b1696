"""The fair queue against a plain model: turns, limits, who is refused when it is full, and what is old."""

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from wiverno.core.threads.fair_queue import NEVER, FairQueue, Task


def task(client: str, since: float = 0.0) -> Task:
    exchange: Any = object()
    return exchange, {}, since, client


def taken(queue: FairQueue) -> list[str]:
    found = []
    while (one := queue.take()) is not None:
        found.append(one[3])
    return found


def test_one_client_is_served_in_the_order_of_arrival() -> None:
    queue = FairQueue(0, 0)
    tasks = [task("a") for _ in range(3)]
    assert [queue.add(one) for one in tasks] == [None] * 3
    assert len(queue) == 3
    assert queue.has_ready()
    assert [queue.take() for _ in range(4)] == [*tasks, None]
    assert not queue.has_ready()


def test_a_thousand_requests_of_one_client_delay_another_by_one() -> None:
    queue = FairQueue(0, 0)
    for _ in range(1000):
        queue.add(task("greedy"))
    queue.add(task("polite"))
    queue.add(task("another"))
    assert taken(queue)[:4] == ["greedy", "polite", "another", "greedy"]


def test_a_client_at_its_limit_waits_and_is_not_refused() -> None:
    queue = FairQueue(0, 2)
    for client in "aaaab":
        queue.add(task(client))
    assert taken(queue) == ["a", "b", "a"]
    assert queue.running == {"a": 2, "b": 1}
    assert len(queue) == 2
    assert not queue.has_ready()
    queue.finish("b")
    assert not queue.has_ready()
    queue.finish("a")
    assert taken(queue) == ["a"]
    queue.finish("a")
    queue.finish("a")
    assert taken(queue) == ["a"]
    queue.finish("a")
    assert queue.running == {}


def test_a_request_that_runs_without_having_waited_counts() -> None:
    queue = FairQueue(0, 1)
    queue.begin("a")
    queue.add(task("a"))
    assert queue.take() is None
    queue.finish("a")
    assert taken(queue) == ["a"]


def test_a_request_may_end_before_it_has_been_counted() -> None:
    queue = FairQueue(0, 1)
    queue.finish("a")
    queue.begin("a")
    assert queue.running == {}


def test_a_full_queue_refuses_the_newest_request_of_the_greediest_client() -> None:
    queue = FairQueue(4, 0)
    greedy = [task("greedy", since) for since in range(4)]
    for one in greedy:
        assert queue.add(one) is None
    fifth = task("greedy")
    assert queue.add(fifth) is fifth
    assert queue.add(task("polite")) is greedy[3]
    assert queue.add(task("third")) is greedy[2]
    # Two, one, one: another one of each would be among the longest lines.
    late = task("polite")
    assert queue.add(late) is late
    stranger = task("fourth")
    assert queue.add(stranger) is greedy[1]
    assert len(queue) == 4
    equal = task("fifth")
    assert queue.add(equal) is equal
    assert taken(queue) == ["greedy", "polite", "third", "fourth"]


def test_what_has_waited_too_long_comes_out_of_every_line() -> None:
    queue = FairQueue(9, 1)
    queue.begin("b")
    old = [task("a", 1.0), task("b", 2.0)]
    new = [task("a", 6.0), task("c", 7.0)]
    for one in (*old, *new):
        queue.add(one)
    assert queue.oldest() == 1.0
    assert queue.take_older(5.0) == old
    assert queue.take_older(5.0) == []
    assert queue.oldest() == 6.0
    queue.finish("b")
    assert taken(queue) == ["a", "c"]
    assert queue.oldest() == NEVER


def test_the_time_since_which_a_request_could_be_taken() -> None:
    """It is a later one when the queue has been empty, and does not change while it is not."""
    queue = FairQueue(0, 0)
    queue.add(task("a", 1.0))
    queue.add(task("b", 2.0))
    assert queue.filled_at == 1.0
    queue.take()
    assert queue.filled_at == 1.0
    queue.take()
    queue.add(task("b", 3.0))
    assert queue.filled_at == 3.0


class Model:
    """The same, as slow and plain as possible."""

    def __init__(self, size: int, limit: int) -> None:
        self.size, self.limit = size, limit
        self.lines: dict[str, deque[Task]] = {}
        self.turns: list[str] = []
        self.running: dict[str, int] = {}

    def is_free(self, client: str) -> bool:
        return not self.limit or self.running.get(client, 0) < self.limit

    def add(self, new: Task) -> Task | None:
        client, refused = new[3], None
        if self.size and sum(map(len, self.lines.values())) >= self.size:
            longest = max(map(len, self.lines.values()))
            if len(self.lines.get(client, ())) + 1 >= longest:
                return new
            refused = "greedy"  # any of those with the longest line
        self.lines.setdefault(client, deque()).append(new)
        if client not in self.turns and self.is_free(client):
            self.turns.append(client)
        return refused  # type: ignore[return-value]

    def take(self) -> Task | None:
        if not self.turns:
            return None
        client = self.turns.pop(0)
        one = self.lines[client].popleft()
        if self.limit:
            self.running[client] = self.running.get(client, 0) + 1
        if not self.lines[client]:
            del self.lines[client]
        elif self.is_free(client):
            self.turns.append(client)
        return one

    def finish(self, client: str) -> None:
        self.running[client] -= 1
        if client in self.lines and client not in self.turns and self.is_free(client):
            self.turns.append(client)


ACTIONS = st.lists(st.sampled_from(["a", "b", "c", "d", "take", "take", "finish", "expire"]), max_size=60)


@pytest.mark.parametrize("limit", [0, 1, 2])
@pytest.mark.parametrize("size", [0, 1, 3, 5])
@given(actions=ACTIONS)
@settings(max_examples=examples(60), deadline=None)
def test_it_does_what_the_model_does(size: int, limit: int, actions: list[str]) -> None:
    queue, model = FairQueue(size, limit), Model(size, limit)
    runs: list[str] = []
    for now, action in enumerate(actions):
        if action == "take":
            one = queue.take()
            assert one is model.take()
            runs += [one[3]] if one is not None and limit else []
        elif action == "finish":
            if runs:
                client = runs.pop(0)
                queue.finish(client)
                model.finish(client)
        elif action == "expire":
            found = queue.take_older(now - 20.0)
            for line in model.lines.values():
                while line and line[0][2] <= now - 20.0:
                    assert line.popleft() in found
            model.lines = {client: line for client, line in model.lines.items() if line}
            model.turns = [client for client in model.turns if client in model.lines]
        else:
            new = task(action, float(now))
            longest = max(map(len, model.lines.values()), default=0)
            refused, expected = queue.add(new), model.add(new)
            if expected is None or expected is new:
                assert refused is expected
            else:
                assert refused is not None
                line = model.lines[refused[3]]
                assert len(line) == longest
                assert line.pop() is refused
        assert len(queue) == sum(map(len, model.lines.values()))
        assert queue.has_ready() == bool(model.turns)
        assert queue.running == {client: count for client, count in model.running.items() if count}
        assert queue.oldest() == min((line[0][2] for line in model.lines.values()), default=NEVER)
