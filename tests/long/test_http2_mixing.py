"""Mixed-up answers over HTTP/2, looked for long enough for what is rare."""

from typing import Any

import pytest

from tests.integration.http2.test_exchanges import CLEAR, SECURE
from tests.integration.http2.test_mixing import hasty_threads
from tests.support.h2_mixing import application, look_for_mixing
from tests.support.serving import MODES, serving

__all__ = ["hasty_threads"]

pytestmark = pytest.mark.long

SECONDS = 60.0


@pytest.mark.usefixtures("hasty_threads")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["tls", "clear"])
def test_every_byte_is_that_of_its_request(mode: str, kind: str) -> None:
    settings: dict[str, Any] = {**MODES[mode], **(SECURE if kind == "tls" else CLEAR)}
    with serving(application, **settings) as served:
        findings = look_for_mixing(served.address, secure=kind == "tls", seconds=SECONDS, connections=6, streams=24)
    assert not findings.wrong
    assert findings.checked > 1000
