"""Counters: exact, readable while written, summable."""

from __future__ import annotations

import mmap
import os
from typing import Any

from tests.support.forking import fork
from wiverno.core.telemetry.counters import BOUNDS, CELL, GAUGES, SUM, WIDTH, Counters, Counts, resident_bytes
from wiverno.core.telemetry.request_recorder import ErrorResponseHead, RequestRecorder

ENVIRON: dict[str, Any] = {"REQUEST_METHOD": "GET"}


def test_responses_are_counted() -> None:
    """By class, by bucket, with sums; the server's own refusals have no place in the histograms."""
    counters = Counters()
    recorder = RequestRecorder(None)
    recorder.count_into(counters)
    for code, seconds in ((200, 0.0004), (204, 0.002), (404, 1.0), (500, 100.0)):
        recorder.record(((), None, "GET", ErrorResponseHead(code), 10, 1.0, 1.5, 1.5 + seconds))
    recorder.record(((), None, "GET", None, 0, 2.0, 2.0, 2.5))
    recorder.record_error_response(ENVIRON, 431, 7)
    recorder.flush()
    counts = counters.read()
    assert counts.classes == {"1xx": 0, "2xx": 2, "3xx": 0, "4xx": 2, "5xx": 2}
    assert (counts.totals["requests"], counts.totals["refused"], counts.totals["bytes"]) == (5, 1, 47)
    assert {code: count for code, count in counts.refusals.items() if count} == {431: 1}
    assert counts.latency == (1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1)
    assert sum(counts.wait) == 5
    assert counts.wait[BOUNDS.index(0.5)] == 4
    assert abs(counts.totals["seconds"] - 101.5024) < 1e-6


def test_a_row_is_seen_by_another_process() -> None:
    """The supervisor reads what a child writes."""
    memory = mmap.mmap(-1, 2 * WIDTH * CELL)
    cells = memoryview(memory).cast("d")
    row = Counters(cells[WIDTH:])
    pid = fork()
    if not pid:
        row.increase("stuck")
        row.set("busy", 3)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert (row.get("stuck"), row.get("busy"), Counters(cells[:WIDTH]).get("stuck")) == (1, 3, 0)
    row.clear()
    assert row.read() == Counts()


def test_sums() -> None:
    """The sum over processes, of what adds up; of one that has ended the totals stay and the gauges go."""
    counters = Counters()
    counters.set("pid", 4711)
    counters.set("heartbeat", 12.5)
    counters.set("connections", 7)
    recorder = RequestRecorder(None)
    recorder.count_into(counters)
    recorder.record_error_response(ENVIRON, 400, 7)
    recorder.flush()
    one = counters.read()
    both = one + one
    assert both.gauges["connections"] == 14
    assert both.gauges.keys() == {name for name, kind in GAUGES.items() if kind == SUM}
    assert (one + both).gauges["connections"] == (both + one).gauges["connections"] == 21
    assert (one.without_gauges() + Counts()).gauges["connections"] == 0


def test_memory() -> None:
    assert 1_000_000 < resident_bytes() < 10**12
