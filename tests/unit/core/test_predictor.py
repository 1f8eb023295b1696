"""The stall predictor: what it learns, what it forgets, and that it stays small."""

from wiverno.core.predictor import MAX_PATHS, MEMORY, Predictor


def request(path: str, method: str = "GET") -> dict[str, str]:
    return {"PATH_INFO": path, "REQUEST_METHOD": method}


def test_a_path_that_blocked_is_expected_to_block_for_a_while() -> None:
    """One stall is remembered for MEMORY quick requests, and then forgotten without a trace."""
    predictor = Predictor()
    assert not predictor.is_blocking(request("/a"))
    predictor.learn(request("/a"), has_blocked=True)
    for _ in range(MEMORY):
        assert predictor.is_blocking(request("/a"))
        predictor.learn(request("/a"), has_blocked=False)
    assert not predictor.is_blocking(request("/a"))
    assert predictor.counters == {}


def test_quick_requests_leave_an_empty_table() -> None:
    """As long as nothing blocks there is nothing to ask."""
    predictor = Predictor()
    predictor.learn(request("/a"), has_blocked=False)
    assert predictor.counters == {}


def test_methods_are_told_apart() -> None:
    predictor = Predictor()
    predictor.learn(request("/a", "POST"), has_blocked=True)
    assert predictor.is_blocking(request("/a", "POST"))
    assert not predictor.is_blocking(request("/a"))


def test_a_varying_segment_is_judged_by_its_kin() -> None:
    """/report/18 is predicted by /report/17; a path of words is not."""
    predictor = Predictor()
    predictor.learn(request("/report/17"), has_blocked=True)
    assert predictor.is_blocking(request("/report/18"))
    assert predictor.is_blocking(request("/report/page2.html"))
    assert not predictor.is_blocking(request("/report/summary"))
    assert not predictor.is_blocking(request("/other/18"))
    assert not predictor.is_blocking(request("/18"))
    assert not predictor.is_blocking(request("/"))


def test_what_is_known_of_a_path_itself_counts_more_than_its_kin() -> None:
    predictor = Predictor()
    predictor.learn(request("/report/1"), has_blocked=True)
    predictor.learn(request("/report/2"), has_blocked=True)
    predictor.counters["/report/2"] = 0
    assert predictor.is_blocking(request("/report/1"))
    assert not predictor.is_blocking(request("/report/2"))


def test_the_table_is_bounded() -> None:
    """Paths without end cost no memory without end."""
    predictor = Predictor()
    for number in range(3 * MAX_PATHS):
        predictor.learn(request(f"/p/{number}"), has_blocked=True)
        assert len(predictor.counters) <= MAX_PATHS + 2
    assert predictor.is_blocking(request(f"/p/{number}"))
