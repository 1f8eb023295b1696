"""The kept inputs and some mutations in seconds; minutes of fuzzing in `make test-long`."""

import os

import pytest

from tests.fuzz.http2_target import check, corpus, fuzz_unguided
from tests.support.processes import ROOT, run

SECONDS = int(os.environ.get("FUZZ_SECONDS", "300"))


def test_kept_inputs() -> None:
    """No kept input is judged wrong."""
    inputs = corpus()
    assert len(inputs) > 50
    for data in inputs:
        check(data)


def test_mutated_inputs() -> None:
    """Half a second of mutations finds nothing."""
    assert fuzz_unguided(0.5) > 10


@pytest.mark.long
def test_fuzz() -> None:
    """Minutes of fuzzing let nothing escape."""
    finished = run(["-m", "tests.fuzz.http2_target", "--seconds", str(SECONDS)], cwd=ROOT, deadline=SECONDS + 120)
    output = finished.stdout + finished.stderr
    assert finished.returncode == 0, output[-5000:]
    assert "Done " in output, output[-5000:]
