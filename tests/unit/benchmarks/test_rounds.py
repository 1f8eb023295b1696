"""The shares of the application and of the server in a load whose application times itself."""

from benchmarks import apps, report
from benchmarks.loads import all_loads
from benchmarks.results import Results
from benchmarks.rounds import Outcome, Sample, _shares
from benchmarks.servers import SERVERS
from tests.support.wsgi import call


def test_the_server_has_what_the_loop_leaves() -> None:
    """Ten loops of 2 ms in 25 ms of CPU time leave half a millisecond a request."""
    loop, beside = _shares((5, 1.0), (15, 1.02), 0.025)
    assert (round(loop or 0), round(beside or 0)) == (2000, 500)
    assert _shares((5, 1.0), (5, 1.0), 0.025) == (None, None)


def test_the_application_times_its_loops_and_nothing_else() -> None:
    """Each call adds one loop; the question for the times adds none."""
    before = call(apps.cpu_short, path=apps.TIMES_PATH).body.split()
    assert call(apps.cpu_short).body == b"28000\n"
    assert call(apps.cpu_bound).body == b"140000\n"
    after = call(apps.cpu_short, path=apps.TIMES_PATH).body.split()
    assert int(after[0]) - int(before[0]) == 2
    assert float(after[1]) > float(before[1])


def test_the_table_of_a_timed_load_shows_both_shares() -> None:
    """The last two columns are microseconds of CPU time a request."""
    load = next(one for one in all_loads() if one.name == "cpu-short")
    sample = Sample(2000.0, 1.0, 2.0, 3.0, 1e6, 1.0, 0.1, 0.0, 16.0, loop=421.3, beside_loop=25.0)
    found = Results({}, {}, {load.name: "today"}, {load.name: {"bjoern": Outcome([sample])}}, {})
    text = report._load_section(load, found, {server.name: server for server in SERVERS}, plots=False)
    assert "| loop, CPU µs | beside it, CPU µs |" in text
    assert text.rstrip().endswith("| 421.3 | 25.0 |")
