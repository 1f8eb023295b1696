"""The conformance suite against the whole server, over TLS, with threads and without."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.registry import Case
from tests.conformance.run import chosen, run_case
from tests.integration.http2.site import Site
from tests.support.serving import MODES, Served, serving

TLS = Path(__file__).resolve().parents[2] / "data" / "tls"


@pytest.fixture(scope="module", params=MODES)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    certificate = {"certfile": str(TLS / "first.pem"), "keyfile": str(TLS / "first.key")}
    with serving(Site(), **MODES[request.param], **certificate, http2=True) as running:
        yield running


@pytest.mark.parametrize("found", chosen(()), ids=lambda found: found.number)
def test_conformance(served: Served, found: Case) -> None:
    """Each case of the suite passes."""
    assert run_case(found, served.address, tls=True, timeout=20) is None
