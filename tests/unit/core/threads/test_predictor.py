"""The stall predictor: what it learns, what it forgets, and that it stays small."""

from wiverno.core.threads.predictor import DECAY, MAX_PATHS, MEMORY, Predictor


def request(path: str, method: str = "GET") -> tuple[str, str]:
    return method, path


def test_a_path_that_blocked_is_expected_to_block_for_a_while() -> None:
    """One stall is remembered for MEMORY quick requests, and then forgotten without a trace."""
    predictor = Predictor()
    assert not predictor.is_blocking(*request("/a"))
    predictor.learn(*request("/a"), has_blocked=True)
    for _ in range(MEMORY):
        assert predictor.is_blocking(*request("/a"))
        predictor.learn(*request("/a"), has_blocked=False)
    assert not predictor.is_blocking(*request("/a"))
    assert predictor.counters == {}


def test_quick_requests_leave_an_empty_table() -> None:
    """As long as nothing blocks there is nothing to ask."""
    predictor = Predictor()
    predictor.learn(*request("/a"), has_blocked=False)
    assert predictor.counters == {}


def test_methods_are_told_apart() -> None:
    predictor = Predictor()
    predictor.learn(*request("/a", "POST"), has_blocked=True)
    assert predictor.is_blocking(*request("/a", "POST"))
    assert not predictor.is_blocking(*request("/a"))


def test_a_varying_segment_is_judged_by_its_kin() -> None:
    """/report/18 is predicted by /report/17; a path of words is not."""
    predictor = Predictor()
    predictor.learn(*request("/report/17"), has_blocked=True)
    assert predictor.is_blocking(*request("/report/18"))
    assert predictor.is_blocking(*request("/report/page2.html"))
    assert not predictor.is_blocking(*request("/report/summary"))
    assert not predictor.is_blocking(*request("/other/18"))
    assert not predictor.is_blocking(*request("/18"))
    assert not predictor.is_blocking(*request("/"))


def test_kin_share_one_memory() -> None:
    """However they vary, quick ones wear it down, at the top of the tree too."""
    for pattern in ("/report/%d", "/item-%d"):
        predictor = Predictor()
        predictor.learn(*request(pattern % 1), has_blocked=True)
        for number in range(2, MEMORY + 2):
            assert predictor.is_blocking(*request(pattern % number))
            predictor.learn(*request(pattern % number), has_blocked=False)
        assert predictor.counters == {}


def test_a_path_that_never_comes_again_is_forgotten() -> None:
    """Others pay for asking about it only for a while; one that goes on blocking stays known."""
    predictor = Predictor()
    predictor.learn(*request("/once"), has_blocked=True)
    for _ in range(DECAY * (MEMORY.bit_length() + 1)):
        predictor.is_blocking(*request("/other"))
    assert predictor.counters == {}
    for number in range(DECAY * 10):
        if number % 1000 == 0:
            predictor.learn(*request("/always"), has_blocked=True)
        predictor.is_blocking(*request("/other"))
    assert predictor.is_blocking(*request("/always"))


def test_the_table_is_bounded() -> None:
    """Paths without end cost no memory without end."""
    predictor = Predictor()
    for number in range(3 * MAX_PATHS):
        predictor.learn(*request(f"/p{number}/x"), has_blocked=True)
        assert len(predictor.counters) <= MAX_PATHS
    assert predictor.is_blocking(*request(f"/p{number}/x"))
