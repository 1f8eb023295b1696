"""The kept inputs in seconds, and fuzzing proper in `make test-long`."""

import os
import re

import pytest

from tests.fuzz.http_target import check, corpus
from tests.support.processes import ROOT, run

SECONDS = int(os.environ.get("FUZZ_SECONDS", "300"))


def test_kept_inputs() -> None:
    """No input that once reached new code is judged wrong."""
    inputs = corpus()
    assert len(inputs) > 100
    for data in inputs:
        check(data)


@pytest.mark.long
def test_fuzz(capsys: pytest.CaptureFixture[str]) -> None:
    """Minutes of fuzzing let nothing but ProtocolError escape."""
    finished = run(["-m", "tests.fuzz.http_target", "--seconds", str(SECONDS)], cwd=ROOT, deadline=SECONDS + 120)
    output = finished.stdout + finished.stderr
    assert finished.returncode == 0, output[-5000:]
    done = re.search(r"Done (\d+) runs in \d+ second.*", output)
    assert done is not None, output[-5000:]
    assert int(done[1]) > 100 * SECONDS
    with capsys.disabled():
        print(f"\nfuzzing: {done[0]}, none escaped")
