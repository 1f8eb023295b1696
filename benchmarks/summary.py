"""What one run of a load generator counted, whichever it was."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """Rates a second; latencies in milliseconds, `errors` only those that happened."""

    rate: float
    bytes_per_second: float
    mean: float
    p50: float
    p99: float
    worst: float
    errors: dict[str, int]
