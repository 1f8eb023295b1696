"""The server's metrics in Prometheus's text format, read with its own parser."""

from prometheus_client.parser import text_string_to_metric_families

from tests.support.statuses import counts, service, worker
from wiverno.admin.exposition import format_metrics
from wiverno.core.telemetry.counters import BOUNDS, Counters, Counts
from wiverno.core.telemetry.status import LEAVING, WorkerStatus


def samples(text: str) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_every_family_is_read_by_the_parser() -> None:
    """Totals are sums over the workers and those that have ended; states and reasons are labels."""
    status = service(
        worker(11, requests=3.0, connections=2.0),
        worker(12, LEAVING, requests=4.0, connections=1.0),
        ended=counts(classes={"2xx": 5, "5xx": 1}, refusals={413: 2}, bytes=100.0),
        restarts={"max_requests": 2},
        reloads=(3, 1),
    )
    found = samples(format_metrics(status))
    assert found["wiverno_responses_total{class=2xx}"] == 5
    assert found["wiverno_responses_total{class=5xx}"] == 1
    assert found["wiverno_refusals_total{code=413}"] == 2
    assert found["wiverno_response_bytes_total"] == 100
    assert found["wiverno_connections"] == 3
    assert found["wiverno_workers{state=ready}"] == found["wiverno_workers{state=leaving}"] == 1
    assert found["wiverno_worker_restarts_total{reason=max_requests}"] == 2
    assert found["wiverno_reloads_total{outcome=succeeded}"] == 3
    assert found["wiverno_reloads_total{outcome=failed}"] == 1
    assert found["wiverno_info{version=2.0}"] == 1


def test_buckets_are_cumulative() -> None:
    """Each bucket of a histogram counts what is at most its bound; the last one counts all."""
    latency = (1, 2, *(0,) * (len(BOUNDS) - 2), 4)
    row = Counters().read()
    counted = Counts(row.gauges, {**row.totals, "seconds": 7.5}, row.classes, latency, row.wait)
    found = samples(format_metrics(service(WorkerStatus(1, "ready", 1, 1.0, 0.0, counted))))
    assert found[f"wiverno_request_seconds_bucket{{le={BOUNDS[0]}}}"] == 1
    assert found[f"wiverno_request_seconds_bucket{{le={BOUNDS[1]}}}"] == 3
    assert found["wiverno_request_seconds_bucket{le=+Inf}"] == found["wiverno_request_seconds_count"] == 7
    assert found["wiverno_request_seconds_sum"] == 7.5


def test_labels_are_escaped() -> None:
    """A quotation mark, a backslash or a line end in a label ends no line of the format."""
    found = samples(format_metrics(service(worker(), restarts={'a"b\\c\nd': 1})))
    assert found['wiverno_worker_restarts_total{reason=a"b\\c\nd}'] == 1
