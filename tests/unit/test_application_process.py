"""Directory, import path and variables of the process that loads the application."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from wiverno.application_process import prepare_process
from wiverno.config import environment
from wiverno.config.settings import Adjustments
from wiverno.files import SetupError, started_in


def test_everything_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pythonpath comes before chdir, relative to it; doing it twice changes nothing more."""
    monkeypatch.setattr(environment, "_replaced", {})
    monkeypatch.setattr(sys, "path", ["first"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_MODE", "before")
    (tmp_path / "srv").mkdir()
    settings = Adjustments.from_keywords(chdir="srv", pythonpath=["lib", "/opt/x"], env={"SHOP_MODE": "after"})
    with started_in(str(tmp_path)):
        prepare_process(settings)
        prepare_process(settings)
    assert sys.path == [f"{tmp_path}/srv/lib", "/opt/x", f"{tmp_path}/srv", "first"]
    assert Path.cwd() == tmp_path / "srv"
    assert os.environ["SHOP_MODE"] == "after"


def test_without_chdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without chdir, pythonpath starts where the server was started."""
    monkeypatch.setattr(sys, "path", [])
    with started_in(str(tmp_path)):
        prepare_process(Adjustments.from_keywords(pythonpath="lib"))
    assert sys.path == [f"{tmp_path}/lib"]


def test_a_missing_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the setting and the directory."""
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(SetupError, match=r"chdir: /nonexistent/shop: no such file or directory"):
        prepare_process(Adjustments.from_keywords(chdir="/nonexistent/shop"))
