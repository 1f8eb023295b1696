"""What h2load prints is read as it is meant, with its errors."""

import pytest

from benchmarks.h2load import read_summary

PRINTED = """
finished in 2.00s, 23820.50 req/s, 1.25MB/s
requests: 47641 total, 47641 started, 47641 done, 47640 succeeded, 1 failed, 1 errored, 0 timeout
status codes: 47640 2xx, 0 3xx, 0 4xx, 0 5xx
"""


def test_a_summary_is_read() -> None:
    """Rate, bytes and the errors that happened; the latencies are those of the second run."""
    summary = read_summary(PRINTED, [1.0, 2.0, 3.0, 10.0])
    assert summary.rate == 23820.5
    assert summary.bytes_per_second == 1.25 * 1024 * 1024
    assert (summary.p50, summary.p99, summary.worst, summary.mean) == (3.0, 10.0, 10.0, 4.0)
    assert summary.errors == {"failed": 1, "errored": 1}


def test_no_summary_is_an_error() -> None:
    """A client that was ended before its summary has measured nothing."""
    with pytest.raises(ValueError, match="no summary"):
        read_summary("starting benchmark...", [1.0])
