"""Notes for the status page: bounded, without queries, and safe from what a worker's pipe may hold."""

import pytest

from wiverno.core.telemetry.notes import (
    LONGEST_PATH,
    LONGEST_STACK,
    MOST_EVENTS,
    MOST_PATHS,
    MOST_STUCK,
    SLOW,
    Notes,
    SlowestPaths,
)


def test_the_latest_come_first_and_the_oldest_go() -> None:
    notes = Notes()
    for number in range(MOST_EVENTS + 5):
        notes.add_event(f"event {number}")
    for number in range(MOST_STUCK + 5):
        notes.add_stuck(number, "x" * 2 * LONGEST_STACK)
    found = notes.read()
    assert [event["text"] for event in found["events"][:2]] == [f"event {MOST_EVENTS + 4}", f"event {MOST_EVENTS + 3}"]
    assert (len(found["events"]), len(found["stuck"])) == (MOST_EVENTS, MOST_STUCK)
    assert found["stuck"][0]["pid"] == MOST_STUCK + 4
    assert len(found["stuck"][0]["text"]) == LONGEST_STACK
    assert found["events"][0]["at"] > 1_700_000_000


def test_the_slowest_paths_of_a_process() -> None:
    """One line a path, without its query; the least slow one makes room, and the bound rises with it."""
    paths = SlowestPaths()
    assert (paths.least, paths.has_changed) == (SLOW, False)
    for number in range(MOST_PATHS + 2):
        paths.add("GET", f"/{number}?token=secret", 1.0 + number)
    paths.add("GET", "/5?other", 3.0)
    paths.add("GET", "/" + "x" * 1000, 99.0)
    assert paths.has_changed
    found = {name: seconds for name, seconds, _ in paths.read()}
    assert not paths.has_changed
    assert len(found) == MOST_PATHS
    assert paths.least == min(found.values()) == 4.0
    assert found["GET /5"] == 6.0
    assert max(map(len, found)) == LONGEST_PATH


def test_the_slowest_of_several_processes_are_merged() -> None:
    notes = Notes()
    notes.take_report(1, {"slowest": [[f"GET /{number}", number, 5.0] for number in range(1, MOST_PATHS + 1)]})
    notes.take_report(2, {"slowest": [["GET /1", 50.0, 6.0], ["GET /new", 7.5, 7.0]], "stuck": "GET /x for 9 s"})
    found = notes.read()
    assert found["slowest"][0] == {"path": "GET /1", "seconds": 50.0, "at": 6.0}
    assert len(found["slowest"]) == MOST_PATHS
    assert [path["path"] for path in found["slowest"]].count("GET /1") == 1
    assert found["stuck"][0]["pid"] == 2


@pytest.mark.parametrize(
    "words",
    [
        {"slowest": 1}, {"slowest": [1]}, {"slowest": [["a", "b", "c"]]}, {"slowest": [["a", float("inf"), 1.0]]},
        {"slowest": [["a", 1.0, float("nan")]]}, {"stuck": 5}, {},
    ],
)  # fmt: skip
def test_what_is_no_report_is_left_out(words: dict[str, object]) -> None:
    notes = Notes()
    notes.take_report(1, words)
    assert notes.read() == {"events": [], "stuck": [], "slowest": []}
