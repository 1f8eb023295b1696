"""What lets tests run side by side: separate ports, and exclusive use of the machine for a test that measures."""

import fcntl
import threading
from pathlib import Path

from tests.support.processes import ROOT, run
from tests.support.sockets import free_port
from tests.support.turns import Turns
from tests.support.waiting import PATIENCE, wait_until

FREE_PORTS = "from tests.support.sockets import free_port; print(*(free_port() for _ in range(50)))"


def is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_no_port_is_given_twice() -> None:
    """Neither here nor to another process, as long as this one lives."""
    ours = [free_port() for _ in range(50)]
    done = run(["-c", FREE_PORTS], cwd=ROOT)
    theirs = [int(word) for word in done.stdout.split()]
    assert len(theirs) == 50, done.stderr
    assert len({*ours, *theirs}) == 100


def test_one_alone_waits_for_the_others_and_they_for_it(tmp_path: Path) -> None:
    """No test begins while another waits for exclusive use, or that one would wait for ever."""
    first, second, single = (Turns(tmp_path) for _ in range(3))
    begun: list[str] = []

    def take(turns: Turns, name: str, *, alone: bool) -> threading.Thread:
        def body() -> None:
            with turns.turn(alone=alone):
                begun.append(name)

        thread = threading.Thread(target=body)
        thread.start()
        return thread

    with first.turn(alone=False):
        take(second, "beside", alone=False).join(PATIENCE)
        assert begun == ["beside"]
        threads = [take(single, "alone", alone=True)]
        wait_until(lambda: is_locked(tmp_path / "door"), what="him to stand in the door")
        threads.append(take(second, "after", alone=False))
        threads[-1].join(0.1)
        assert begun == ["beside"]
    for thread in threads:
        thread.join(PATIENCE)
    assert begun == ["beside", "alone", "after"]
    for turns in (first, second, single):
        turns.close()
