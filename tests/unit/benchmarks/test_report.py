"""From samples to verdicts: medians, targets, the page, and a run that was not clean."""

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.loads import all_loads
from benchmarks.results import EARLIER, Results
from benchmarks.rounds import Outcome, Sample
from benchmarks.servers import SERVERS
from benchmarks.startup import Times
from benchmarks.statistics_of_rounds import median_of
from benchmarks.targets import TARGETS

LOADS = all_loads()
SERVERS_BY_NAME = {server.name: server for server in SERVERS}


def sample(rate: float, **more: object) -> Sample:
    figures: dict[str, object] = dict(p50=1.0, p99=2.0, worst=3.0, bytes_per_second=1e6, server_cpu=1.0)
    figures |= dict(client_cpu=0.5, foreign_cpu=0.0, served_at_once=64.0)
    return Sample(rate, **(figures | more))  # type: ignore[arg-type]


def results() -> Results:
    hello = {
        "wiverno-16": Outcome([sample(70_000), sample(90_000), sample(80_000)]),
        "waitress-4": Outcome([sample(10_000), sample(12_000), sample(11_000)]),
        "granian-16": Outcome([sample(100_000)]),
        "bjoern": Outcome([sample(1.0)], failure="errors under load: 7 read"),
    }
    return Results({"CPUs": "2"}, {"wrk": "4.1.0"}, {"hello": "today, 3 × 5 s"}, {"hello": hello}, {})


def page(found: Results, folder: Path) -> str:
    report.write(found, LOADS, SERVERS_BY_NAME, folder / "RESULTS.md", plots=False)
    return (folder / "RESULTS.md").read_text()


def test_the_median_of_the_rounds_counts() -> None:
    """One disturbed round does not decide."""
    outcome = results().outcomes["hello"]["wiverno-16"]
    assert median_of(outcome, lambda one: one.rate) == 80_000


def test_a_contender_with_errors_has_no_figure() -> None:
    """Fast wrong answers are no answers."""
    assert median_of(results().outcomes["hello"]["bjoern"], lambda one: one.rate) is None
    assert results().failures() == ["hello: bjoern: errors under load: 7 read"]


def test_targets_are_met_missed_or_not_measured(tmp_path: Path) -> None:
    """Each line of the specification gets its verdict."""
    text = page(results(), tmp_path)
    assert "| hello: wiverno-16 ÷ waitress-4 | 7.27 × | ≥ 6 | met | — | — |" in text
    assert "| hello: wiverno-16 ÷ granian-16 | 0.80 × | ≥ 1.25 | missed | — | — |" in text
    assert "| hello: wiverno-16 ÷ bjoern | — | ≥ 0.85 | not measured | ≥ 0.95 | not measured |" in text
    assert "mixed:" not in text


def test_the_page_shows_ratios_and_what_failed(tmp_path: Path) -> None:
    """A peer's row ends with our figure over its own."""
    text = page(results(), tmp_path)
    waitress = next(line for line in text.splitlines() if line.startswith("| waitress, 4 threads"))
    assert waitress.endswith("| 7.27 |")
    assert "| bjoern | failed |" in text
    assert "- hello: bjoern: errors under load: 7 read" in text


def test_a_disturbed_run_says_so(tmp_path: Path) -> None:
    """Figures from a busy machine must not be quoted."""
    found = results()
    assert "Disturbed run" not in page(found, tmp_path)
    found.outcomes["hello"]["granian-16"].samples.append(sample(5.0, foreign_cpu=0.4))
    assert "**Disturbed run**: other processes used up to 40%" in page(found, tmp_path)


def test_memory_is_a_ceiling() -> None:
    """Fewer bytes are better."""
    target = next(one for one in TARGETS if one.what == "memory for each idle connection")
    idle = {"idle": {"wiverno-16": Outcome([sample(9.0, bytes_per_idle=3000.0, idle_rate=9.0)])}}
    value = target.figure(idle, {})
    assert (target.verdict(value, target.must), target.verdict(value, target.aim)) == ("met", "missed")


def test_results_survive_the_file(tmp_path: Path) -> None:
    """What is saved is read back, for `--merge` and `--report-only`."""
    found = results()
    found.times["wiverno --help"] = Times([0.1, 0.2])
    found.save(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == found


def test_merging_takes_whole_loads_only() -> None:
    """Figures of one load always come from one run."""
    older, newer = results(), results()
    older.outcomes["mixed"] = {"bjoern": Outcome()}
    del newer.outcomes["hello"]["granian-16"]
    newer.add_older(older)
    assert sorted(newer.outcomes) == ["hello", "mixed"]
    assert "granian-16" not in newer.outcomes["hello"]


def test_merged_loads_are_marked() -> None:
    """The page says which figures are of another run; writing the same run once more marks nothing."""
    older, newer, empty = results(), results(), Results({}, {})
    older.conditions = {"hello": "yesterday", "mixed": "yesterday"}
    newer.conditions = {"hello": "today"}
    for _ in range(2):
        newer.add_older(older)
    assert newer.conditions == {"hello": "today", "mixed": f"yesterday{EARLIER}"}
    empty.add_older(older)
    assert empty.conditions == older.conditions


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.load}: {target.what}")
def test_every_target_names_a_load(target: object) -> None:
    """A misspelt name would be "not measured" for ever."""
    names = {load.name for load in LOADS} | {"startup"}
    assert getattr(target, "load", None) in names
