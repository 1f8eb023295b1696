"""Metrics in Prometheus's text format (version 0.0.4), without a library: there are a dozen families."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from wiverno.core.telemetry.counters import BOUNDS
from wiverno.core.telemetry.status import ServiceStatus

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]


def format_metrics(status: ServiceStatus) -> str:
    """Return all metrics of a server."""
    return "".join(line + "\n" for line in _lines(status))


def _lines(status: ServiceStatus) -> Iterator[str]:
    total = status.total
    gauges, totals = total.gauges, total.totals
    yield from _family(
        "wiverno_responses_total", "counter", "Responses by class of status, including the server's error responses.",
        [("", {"class": name}, value) for name, value in total.classes.items()],
    )  # fmt: skip
    yield from _histogram(
        "wiverno_request_seconds", "Time that requests took in the application.", total.latency, totals["seconds"]
    )
    yield from _histogram(
        "wiverno_wait_seconds", "Time that requests waited for a thread.", total.wait, totals["waited"]
    )
    for name, kind, help_text, value in (
        ("wiverno_refused_total", "counter", "Error responses of the server itself.", totals["refused"]),
        ("wiverno_redirects_total", "counter", "Redirects to https by redirect_listen.", totals["redirects"]),
        ("wiverno_response_bytes_total", "counter", "Bytes of content sent.", totals["bytes"]),
        ("wiverno_stuck_requests_total", "counter", "Requests that ran longer than request_timeout.", totals["stuck"]),
        ("wiverno_connections", "gauge", "Open connections.", gauges["connections"]),
        ("wiverno_http2_connections", "gauge", "Open HTTP/2 connections.", gauges["http2_connections"]),
        ("wiverno_http2_streams", "gauge", "HTTP/2 streams that are not answered in full.", gauges["http2_streams"]),
        ("wiverno_threads", "gauge", "Threads that may be inside the application at once.", gauges["threads"]),
        ("wiverno_threads_max", "gauge", "Threads that there may be (max_threads).", gauges["max_threads"]),
        ("wiverno_threads_busy", "gauge", "Threads that are inside the application.", gauges["busy"]),
        ("wiverno_requests_queued", "gauge", "Requests that wait for a thread.", gauges["queued"]),
        ("wiverno_ready", "gauge", "Whether requests should be sent here.", float(status.is_ready)),
        ("wiverno_workers_wanted", "gauge", "Processes that should serve.", status.wanted),
        ("wiverno_uptime_seconds", "gauge", "Time since the start.", status.age),
    ):
        yield from _family(name, kind, help_text, [("", {}, value)])
    yield from _family(
        "wiverno_refusals_total", "counter", "The server's own responses by status.",
        [("", {"code": str(code)}, value) for code, value in total.refusals.items()],
    )  # fmt: skip
    yield from _processes(status)


def _processes(status: ServiceStatus) -> Iterator[str]:
    states = [worker.state for worker in status.workers]
    yield from _family(
        "wiverno_workers", "gauge", "Processes that serve, by state.",
        [("", {"state": state}, states.count(state)) for state in ("starting", "ready", "leaving")],
    )  # fmt: skip
    yield from _family(
        "wiverno_worker_resident_bytes", "gauge", "Memory of a process in RAM.",
        [("", {"pid": str(worker.pid)}, worker.counts.gauges["resident"]) for worker in status.workers],
    )  # fmt: skip
    yield from _family(
        "wiverno_worker_restarts_total", "counter", "Processes replaced, by reason.",
        [("", {"reason": reason}, count) for reason, count in sorted(status.restarts.items())],
    )  # fmt: skip
    yield from _family(
        "wiverno_reloads_total", "counter", "Reloads by outcome.",
        [("", {"outcome": "succeeded"}, status.reloads[0]), ("", {"outcome": "failed"}, status.reloads[1])],
    )  # fmt: skip
    yield from _family("wiverno_info", "gauge", "The server's version.", [("", {"version": status.version}, 1)])


def _family(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"
    for suffix, labels, value in samples:
        words = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{suffix}{{{words}}} {_number(value)}" if words else f"{name}{suffix} {_number(value)}"


def _histogram(name: str, help_text: str, buckets: Iterable[int], total: float) -> Iterator[str]:
    samples: list[Sample] = []
    count = 0
    for bound, value in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
        count += value
        samples.append(("_bucket", {"le": bound}, count))
    samples += [("_sum", {}, total), ("_count", {}, count)]
    return _family(name, "histogram", help_text, samples)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
