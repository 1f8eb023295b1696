"""A generation notices certificates that its workers may not read."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT
from tests.support.waiting import wait_until
from wiverno.config.settings import Adjustments
from wiverno.workers import generation
from wiverno.workers.generation import Generation
from wiverno.workers.plan import Plan

TLS = ROOT / "tests" / "data" / "tls"


@pytest.mark.parametrize(("owner", "is_noticed"), [((1, 1), True), (None, False)], ids=["other user", "same user"])
def test_new_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, is_noticed: bool) -> None:
    """They are noticed once, and only where workers give root's rights up: others read the files themselves."""
    monkeypatch.setattr(generation, "future_owner", lambda settings: owner)
    for name in ("pem", "key"):
        shutil.copy(TLS / f"first.{name}", tmp_path / f"a.{name}")
    settings = Adjustments.from_keywords(certfile=f"{tmp_path}/a.pem", keyfile=f"{tmp_path}/a.key", workers=1)
    made = Generation(1, Plan(settings, lambda: lambda environ, start: []), [])
    assert not made.has_new_certificates()
    for name in ("pem", "key"):
        shutil.copy(TLS / f"second.{name}", tmp_path / f"a.{name}")
    if is_noticed:
        wait_until(made.has_new_certificates, what="the new certificates")
    assert not made.has_new_certificates()


def test_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain server has nothing to notice."""
    monkeypatch.setattr(generation, "future_owner", lambda settings: (1, 1))
    made = Generation(1, Plan(Adjustments.from_keywords(workers=1), lambda: lambda environ, start: []), [])
    assert not made.has_new_certificates()
