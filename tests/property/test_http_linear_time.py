"""Time grows in a straight line with what is sent."""

import pytest

from tests.property.linear_time import CHUNKS, HEADS, head_of, rows


def assert_linear(chunks: list[int]) -> None:
    measured: dict[str, list[tuple[int, float]]] = {}
    for what, count, seconds in rows(chunks):
        measured.setdefault(what, []).append((count, seconds))
    for what, times in measured.items():
        # The smallest size is mostly the cost of a request; between the two largest only what grows counts.
        (count, seconds), (larger, longer) = times[-2:]
        assert longer / seconds < 2.5 * larger / count, f"{what}: {times}"


def test_sizes() -> None:
    """The heads are as large as they say."""
    assert [len(head_of(size)) for size in HEADS] == HEADS


@pytest.mark.alone
def test_time_is_linear() -> None:
    """Heads of 256 KiB and 10^5 one-byte chunks cost what 64 KiB and 10^4 let expect."""
    assert_linear(CHUNKS[:-1])


@pytest.mark.alone
@pytest.mark.long
def test_time_is_linear_up_to_a_million_chunks() -> None:
    """10^6 one-byte chunks cost ten times what 10^5 do."""
    assert_linear(CHUNKS)
