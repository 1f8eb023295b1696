"""Which calls count as blocked: those that wait, and with the GIL those that last."""

import resource
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import rig
from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.threads import blocking
from wiverno.core.threads.blocking import BLOCKED, COMPUTING, Detector, KernelDetector, is_runnable, new_detector
from wiverno.core.threads.leader import LeaderFollowers
from wiverno.tables import has_gil

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks Linux")


def compute(seconds: float) -> None:
    """Use the processor for so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_the_kernel_is_asked_where_calls_that_compute_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only without the GIL, and only if it can tell."""
    monkeypatch.setattr(blocking, "has_gil", lambda: True)
    assert type(new_detector()) is Detector
    monkeypatch.setattr(blocking, "has_gil", lambda: False)
    assert type(new_detector()) is KernelDetector
    monkeypatch.setattr(blocking, "_TASKS", Path("/nonexistent"))
    assert type(new_detector()) is Detector
    monkeypatch.undo()
    monkeypatch.setattr(blocking, "has_gil", lambda: False)
    monkeypatch.delattr(resource, "RUSAGE_THREAD")
    assert type(new_detector()) is Detector


def test_with_the_gil_each_call_that_lasts_counts() -> None:
    detector = Detector()
    detector.begin_lead()
    assert not detector.is_running(1, 0.0)
    before = detector.begin_call()
    assert [detector.has_blocked(before, seconds) for seconds in (BLOCKED / 2, BLOCKED * 2)] == [False, True]


def test_a_thread_runs_or_waits() -> None:
    """An unknown thread does not run."""
    assert is_runnable(threading.get_native_id())
    told = threading.Event()
    thread = threading.Thread(target=told.wait)
    thread.start()
    assert thread.native_id is not None
    native_id = thread.native_id
    wait_until(lambda: not is_runnable(native_id), what="the thread to wait")
    told.set()
    thread.join()  # when it returns, the kernel's thread may still have to end
    wait_until(lambda: not is_runnable(native_id), what="the kernel to forget the thread")


def test_a_leader_that_computes_leads_on_for_a_while() -> None:
    """The time is counted for each call; a leader that waits is found at once."""
    detector = KernelDetector()
    detector.begin_lead()
    assert detector.is_running(1, 5.0)
    assert detector.is_running(1, 5.0 + COMPUTING / 2)
    assert not detector.is_running(1, 5.0 + COMPUTING * 2)
    assert detector.is_running(2, 5.0 + COMPUTING * 2)
    told = threading.Event()
    began = threading.Event()

    def wait() -> None:
        detector.begin_lead()
        began.set()
        told.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    began.wait()
    wait_until(lambda: not detector.is_running(2, 5.0 + COMPUTING * 2), what="the leader to wait")
    told.set()
    thread.join()


def test_a_call_has_blocked_if_it_waited_or_computed_for_long() -> None:
    """What another program took of its time does not count."""
    detector = KernelDetector()
    before = detector.begin_call()
    assert not detector.has_blocked(before, BLOCKED)
    time.sleep(0.001)  # the call that waits
    assert detector.has_blocked(before, BLOCKED * 2)
    before = detector.begin_call()
    compute(COMPUTING)
    assert detector.has_blocked(before, COMPUTING)

    def is_quick() -> bool:
        before = detector.begin_call()
        compute(COMPUTING / 10)
        return not detector.has_blocked(before, COMPUTING / 5)

    wait_until(is_quick, what="a call in which no other thread of this test wants the GIL")


if not has_gil():

    def test_requests_that_compute_stay_with_the_leader() -> None:
        """None is remembered as one that blocks, though each takes longer than the monitor thread waits."""

        def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            compute(0.003)
            start_response("200 OK", [])
            return [b"done"]

        with rig(application) as made:
            leaders = LeaderFollowers(made.loop, 2, queue_size=0, queue_timeout=0.0)
            thread = threading.Thread(target=leaders.run, daemon=True)
            connection, client = made.connect()
            thread.start()
            made.loop.resume(connection.fd)
            for _ in range(30):
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.response()[2] == b"done"
            assert not leaders._predictor.counters
            leaders.end()
            thread.join(PATIENCE)
            assert leaders.join(time.monotonic() + PATIENCE) == 0
