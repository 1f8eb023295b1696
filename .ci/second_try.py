"""Run the tests, and those that failed once more; a test that passes then is flaky, which is a failure, too.

    python3 .ci/second_try.py        the exit status is 0 if all is well

A flaky test is a bug. Until it is fixed, tests/flaky.txt may name it with the reason; a flaky test that is not named
there fails the run although it passed the second time. Other failures (pytest itself fails, a module can't be imported,
nothing was collected) get no second try, because other tests may not have run.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"  # pytest's own list of what failed
LISTED = ROOT / "tests" / "flaky.txt"
AGAIN = "--last-failed --last-failed-no-failures none"
# The property tests are measured, too; the report fails below the floor (tests/support/coverage_report.py).
MEASURE = "tests/property --cov --cov-report= --cov-fail-under=0"
OTHERS = "--ignore=tests/unit --ignore=tests/property"


class ListError(Exception):
    """A line of the list can't be used; the text says which and why."""


@dataclass(frozen=True)
class Verdict:
    """What two runs say; `lines` are for people."""

    is_good: bool
    lines: tuple[str, ...]


def read_list(text: str, root: Path = ROOT) -> dict[str, str]:
    """Return the tests that may be flaky, with the reasons.

    A line is a test's name as pytest writes it, with or without its [parameters], then " # " and the reason. Empty
    lines, and those that begin with #, say nothing.

    Raises:
        ListError: a line has no reason, or its test's file does not exist.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reason = (part.strip() for part in line.partition(" # "))
        if not reason:
            raise ListError(f"tests/flaky.txt:{number}: {name}: the reason is missing: write it after ' # '")
        if "::" not in name or not (root / name.partition("::")[0]).is_file():
            raise ListError(f"tests/flaky.txt:{number}: {name}: there is no such test")
        found[name] = reason
    return found


def judge(first: Collection[str], second: Collection[str], listed: Mapping[str, str]) -> Verdict:
    """Tell what it means that the tests `first` failed and, run again, the tests `second`."""
    lines = [f"error: {name} failed twice" for name in sorted(second)]
    is_good = not second
    for name in sorted(set(first) - set(second)):
        reason = listed.get(name) or listed.get(name.partition("[")[0])
        if reason is None:
            is_good = False
            lines.append(
                f"error: {name} failed first and passed then: it is flaky, and that is a bug. Mend it, "
                "or name it in tests/flaky.txt with the reason"
            )
        else:
            lines.append(f"warning: {name} failed first and passed then, as is known: {reason}")
    return Verdict(is_good, tuple(lines))


def failed_tests(cache: Path = CACHE) -> set[str]:
    """Return what pytest says failed last time."""
    try:
        found: dict[str, bool] = json.loads(cache.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return set()
    return set(found)


def run(make: Callable[[str], int], cache: Path = CACHE, listed: Mapping[str, str] | None = None) -> Verdict:
    """Run the tests, once or twice.

    Args:
        make: runs them with these arguments of pytest and returns the exit status.
        cache: pytest's list of failed tests.
        listed: the tests that may be flaky, with the reasons.
    """
    cache.unlink(missing_ok=True)  # another run's
    if make("") == 0:
        return Verdict(True, ())
    first = failed_tests(cache)
    others = sorted(name for name in first if "::" not in name)
    if others:
        return Verdict(False, tuple(f"error: {name} can't be imported" for name in others))
    if not first:
        return Verdict(False, ("error: no test failed, but pytest did",))
    print("once more the tests that failed, alone", file=sys.stderr, flush=True)
    status = make(AGAIN)
    second = failed_tests(cache) & first
    if status and not second:
        return Verdict(False, ("error: no test failed in the second run, but pytest did",))
    return judge(first, second, listed or {})


def make(target: str, arguments: str) -> int:
    """Run one of the Makefile's targets."""
    return subprocess.run(["make", target, f"ARGS={arguments}"], cwd=ROOT, check=False).returncode


def make_test(arguments: str) -> int:
    """Run all tests, or those that `arguments` select; coverage is measured in the only run of the unit tests."""
    if arguments:
        return make("test", arguments)
    return max(make("test-unit", MEASURE), make("test", OTHERS), key=bool)


def main() -> int:
    """Return the exit status."""
    try:
        listed = read_list(LISTED.read_text(encoding="utf-8"))
    except ListError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    verdict = run(make_test, CACHE, listed)
    for line in verdict.lines:
        print(line, file=sys.stderr)
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
