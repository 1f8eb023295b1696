"""Warnings about combinations that are allowed and probably not wanted."""

import os

from wiverno.config.lint import find_risks
from wiverno.config.settings import Adjustments


def test_more_workers_than_memory_allows() -> None:
    """Workers whose memory does not fit into the machine's are warned of, with both figures."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    host = {"host": "127.0.0.1", "connection_limit": 10}
    (warning,) = find_risks(Adjustments(workers=4, max_rss=memory // 2, **host))
    assert warning.startswith("workers = 4 processes of ")
    assert "lower workers or max_rss" in warning
    assert find_risks(Adjustments(workers=2, max_rss=2**20, **host)) == []
