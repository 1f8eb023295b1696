"""The supervisor's actions in one line each."""

import pytest

from wiverno.workers import actions
from wiverno.workers.events import count, describe_action
from wiverno.workers.restarts import NO_FAILURES


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (
            actions.Restart(7, "was killed by SIGKILL", "crash", NO_FAILURES, 0.0),
            "worker 7 was killed by SIGKILL; restarting now",
        ),
        (
            actions.Restart(7, "exited with status 1", "crash", NO_FAILURES, 2.5),
            "worker 7 exited with status 1; restarting in 2.5 s",
        ),
        (actions.Drain(7, 30.0, replaced="max_rss"), "worker 7 replaced (max_rss), draining"),
        (actions.Drain(7, 30.0), ""),
        (actions.DumpStacks(7, 30.0), "worker 7: no heartbeat for 30 s (worker_timeout); dumping its stacks"),
        (actions.AnnounceReady(2), "ready: 2 workers"),
        (actions.CompleteReload(), "reloaded: the new workers are ready, draining the old ones"),
        (actions.AbortReload("stop"), "reload aborted: stop"),
        (actions.FailReload("no"), "reload failed, still running the previous configuration: no"),
        (actions.StopAccepting(1), "shutting down: no new connections; draining 1 worker"),
        (actions.Kill(7), ""),
        (actions.StartWorker(1), ""),
    ],
)
def test_what_an_action_tells(action: actions.Action, text: str) -> None:
    assert describe_action(action) == text


def test_numbers() -> None:
    assert (count(1), count(2, "new worker")) == ("1 worker", "2 new workers")
