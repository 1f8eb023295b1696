"""No answer, field or byte gets to another stream, however threads take turns and clients reset."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.http2.test_exchanges import CLEAR, SECURE
from tests.support.h2_mixing import application, look_for_mixing
from tests.support.serving import MODES, serving


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Have threads interrupt each other a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["tls", "clear"])
def test_every_byte_is_that_of_its_request(mode: str, kind: str) -> None:
    settings: dict[str, Any] = {**MODES[mode], **(SECURE if kind == "tls" else CLEAR)}
    with serving(application, **settings) as served:
        for seconds in (0.8, 2.0, 5.0, 15.0):  # a busy machine may take longer to bring the first answers
            findings = look_for_mixing(served.address, secure=kind == "tls", seconds=seconds)
            assert not findings.wrong
            if findings.checked > 20:
                return
    pytest.fail(f"only {findings.checked} answers came in {seconds:g} s")
