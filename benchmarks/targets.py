"""What the specification demands and aims at, and whether the figures reach it.

A target is a quotient (or one figure) of medians of the same run. `must` is the floor of a release, `aim` the hope.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.rounds import Outcome, Sample
from benchmarks.startup import Times
from benchmarks.statistics_of_rounds import median_of, median_seconds

Outcomes = Mapping[str, Mapping[str, Outcome]]
Verdict = Literal["met", "missed", "not measured", "—"]


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the specification's table.

    Attributes:
        load: name of the load.
        what: the quantity in words.
        must, aim: bounds; None where the specification sets none.
        is_ceiling: whether the figure has to stay below its bounds instead of reaching them.
        figure: computes the quantity; None when something for it was not measured.
        unit: printed behind the figure.
    """

    load: str
    what: str
    must: float | None
    aim: float | None
    figure: Callable[[Outcomes, Mapping[str, Times]], float | None]
    is_ceiling: bool = False
    unit: str = "×"

    def verdict(self, value: float | None, bound: float | None) -> Verdict:
        """Whether `value` reaches `bound`."""
        if bound is None:
            return "—"
        if value is None:
            return "not measured"
        reached = value <= bound if self.is_ceiling else value >= bound
        return "met" if reached else "missed"


def _rate(outcomes: Outcomes, load: str, contender: str) -> float | None:
    outcome = outcomes.get(load, {}).get(contender)
    return median_of(outcome, lambda sample: sample.rate) if outcome else None


def _quotient(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _against(load: str, ours: str, theirs: str, must: float | None, aim: float | None) -> Target:
    def figure(outcomes: Outcomes, _: Mapping[str, Times]) -> float | None:
        return _quotient(_rate(outcomes, load, ours), _rate(outcomes, load, theirs))

    return Target(load, f"{ours} ÷ {theirs}", must, aim, figure)


def _beside_frameworks(*loads: str) -> tuple[Target, ...]:
    """What a greeting from a real framework must reach."""
    bounds = (("granian-16", 0.95, None), ("waitress-4", 2.0, None), ("bjoern", None, 1.0))
    return tuple(_against(load, "wiverno-16", peer, must, aim) for load in loads for peer, must, aim in bounds)


def _idle(what: str, pick: Callable[[Sample], float | None], must: float, aim: float | None, **more: object) -> Target:
    def figure(outcomes: Outcomes, _: Mapping[str, Times]) -> float | None:
        outcome = outcomes.get("idle", {}).get("wiverno-16")
        return median_of(outcome, pick) if outcome else None

    return Target("idle", what, must, aim, figure, **more)  # type: ignore[arg-type]


def _beside_idle(sample: Sample) -> float | None:
    return _quotient(sample.idle_rate, sample.rate)


def _growth(label: str) -> Target:
    """Time per request with 10,000 routes over that with 10."""

    def figure(outcomes: Outcomes, _: Mapping[str, Times]) -> float | None:
        few = _rate(outcomes, "routes", f"{label}, 10 routes")
        many = _rate(outcomes, "routes", f"{label}, 10,000 routes")
        return _quotient(few, many)

    return Target("routes", "wiverno: time per request, 10,000 routes ÷ 10", 1.5, 1.05, figure, is_ceiling=True)


def _first_answer(ours: str, theirs: str, must: float, aim: float | None) -> Target:
    def figure(_: Outcomes, times: Mapping[str, Times]) -> float | None:
        mine, others = times.get(f"{ours}: first answer"), times.get(f"{theirs}: first answer")
        return _quotient(median_seconds(mine), median_seconds(others))

    return Target("startup", f"{ours} ÷ {theirs}, first answer", must, aim, figure, is_ceiling=True)


def _help(_: Outcomes, times: Mapping[str, Times]) -> float | None:
    return _quotient(median_seconds(times.get("wiverno --help")), median_seconds(times.get("gunicorn --help")))


TARGETS: tuple[Target, ...] = (
    _against("hello", "wiverno-16", "waitress-4", 6.0, None),
    _against("hello", "wiverno-16", "granian-16", 1.25, None),
    _against("hello", "wiverno-16", "bjoern", 0.85, 0.95),
    _against("browser", "wiverno-16", "waitress-4", 6.0, None),
    _against("browser", "wiverno-16", "granian-16", 1.0, 1.25),
    _against("browser", "wiverno-16", "bjoern", 0.85, 1.0),
    _against("hello", "runserver", "bjoern", 0.75, 1.0),
    _against("blocking", "wiverno-16", "granian-16", 0.95, 1.0),
    _against("mixed", "wiverno-16", "waitress-16", 2.0, None),
    _against("mixed", "wiverno-16", "granian-16", None, 1.0),
    _against("mixed-64", "wiverno-16-64", "uwsgi", 0.95, 1.0),
    _against("close", "wiverno-16", "waitress-4", 2.5, None),
    _against("close", "wiverno-16", "bjoern", None, 1.0),
    _against("download", "wiverno-16", "waitress-4", 3.0, None),
    _against("download", "wiverno-16", "granian-16", None, 1.0),
    _against("upload", "wiverno-16", "waitress-4", 4.0, None),
    _against("upload", "wiverno-16", "granian-16", 0.9, None),
    _against("upload", "wiverno-16", "fastwsgi", None, 1.0),
    *_beside_frameworks("flask", "django", "pyramid"),
    _against("cpu", "wiverno-1", "bjoern", 0.95, 1.0),
    _against("cpu-short", "wiverno-1", "bjoern", 0.95, 1.0),
    _against("tls", "wiverno-16", "granian-16", 1.0, 1.1),
    _idle("memory for each idle connection", lambda s: s.bytes_per_idle, 4096, 2048, is_ceiling=True, unit=" bytes"),
    _idle("hello beside 10,000 idle ÷ without", _beside_idle, 0.9, None),
    _growth("wiverno"),
    _against("h2-1", "wiverno-http2", "gunicorn-http2", 5.0, None),
    _against("h2-1", "wiverno-http2", "granian-http2", None, 0.8),
    _against("h2-16", "wiverno-http2", "gunicorn-http2", 8.0, None),
    _against("h2-16", "wiverno-http2", "granian-http2", None, 1.0),
    _against("h2-browser", "wiverno-http2", "gunicorn-http2", 5.0, None),
    _against("h2-browser", "wiverno-http2", "granian-http2", None, 0.7),
    _against("h2-download", "wiverno-http2", "gunicorn-http2", 1.0, None),
    _against("h2-download", "wiverno-http2", "granian-http2", None, 1.0),
    _against("h2-upload", "wiverno-http2", "gunicorn-http2", 1.0, None),
    _against("h2-upload", "wiverno-http2", "granian-http2", None, 1.0),
    _against("access-log", "log on", "log off", 0.9, 0.95),
    _against("frameworks", "wiverno", "flask", 2.0, None),
    _against("frameworks", "wiverno", "falcon", 0.8, None),
    Target("startup", "wiverno --help ÷ gunicorn --help", 0.5, None, _help, is_ceiling=True),
    _first_answer("wiverno run", "granian", 1.02, 1.0),
    _first_answer("import wiverno, serve()", "gunicorn", 1.01, None),
)
