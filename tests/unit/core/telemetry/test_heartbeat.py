"""The gauges and the heartbeat that others read while the process runs."""

import time
from dataclasses import dataclass

from tests.support.rig import rig
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.loop.event_loop import Loop
from wiverno.core.telemetry.counters import Counters
from wiverno.core.telemetry.heartbeat import Heartbeat
from wiverno.core.threads.leader import LeaderFollowers


@dataclass
class Serving:
    """A reactor, as far as the heartbeat knows it."""

    loop: Loop
    leaders: LeaderFollowers


def test_a_heartbeat_says_what_is_so_now_and_comes_again() -> None:
    """It is recorded at once and whenever the loop's deadline comes; the gauges are those of that moment."""
    with rig() as made:
        counters, beats = Counters(), list[float]()
        leaders = LeaderFollowers(made.loop, 3, queue_size=10, queue_timeout=0)
        before = time.monotonic()
        made.connect()
        Heartbeat([Serving(made.loop, leaders)], counters, lambda: beats.append(time.monotonic()))
        assert len(beats) == 1
        assert counters.get("heartbeat") >= before
        assert (counters.get("threads"), counters.get("connections"), counters.get("busy")) == (3, 1, 0)
        assert counters.get("resident") > 2**20
        made.connect()
        made.loop.keep_alive = False
        now = time.monotonic() + 1.5
        for due in made.loop.deadlines.due(now):
            if due.deadline() <= now:
                due.expire()
        assert len(beats) == 2
        assert (counters.get("connections"), counters.get("draining")) == (2, 1)


def test_gauges_are_updated_without_a_heartbeat() -> None:
    """The leader does that before each wait."""
    with rig() as made:
        counters = Counters()
        leaders = LeaderFollowers(made.loop, 1, queue_size=1, queue_timeout=0)
        heart = Heartbeat([Serving(made.loop, leaders)], counters)
        at = counters.get("heartbeat")
        made.connect()
        heart.update_gauges()
        assert (counters.get("connections"), counters.get("heartbeat")) == (1, at)


def test_the_threads_of_a_pool_that_grows_are_counted_as_they_are() -> None:
    with rig() as made:
        counters = Counters()
        leaders = LeaderFollowers(made.loop, 1, queue_size=0, queue_timeout=0, max_threads=4)
        heart = Heartbeat([Serving(made.loop, leaders)], counters)
        assert (counters.get("threads"), counters.get("max_threads")) == (1, 4)
        leaders.thread_pool.start()
        assert leaders.thread_pool.grow()
        heart.update_gauges()
        assert (counters.get("threads"), counters.get("max_threads")) == (2, 4)
        wait_until(lambda: len(leaders.thread_pool.idle) == 2)
        assert leaders.join(time.monotonic() + PATIENCE) == 0


def test_several_reactors_have_one_heartbeat() -> None:
    """Gauges are sums; the heartbeat is that of the loop which has made no turn for longest, while it serves."""
    with rig() as made, rig() as other:
        counters = Counters()
        both = [Serving(one.loop, LeaderFollowers(one.loop, 1, queue_size=1, queue_timeout=0)) for one in (made, other)]
        made.connect()
        other.connect()
        other.loop.now = time.monotonic() - 5.0
        heart = Heartbeat(both, counters)
        assert counters.get("heartbeat") == other.loop.now
        assert (counters.get("connections"), counters.get("threads")) == (2, 2)
        both[1].leaders.has_ended = True
        heart.record()
        assert counters.get("heartbeat") > other.loop.now + 4.0
