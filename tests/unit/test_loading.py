"""Imports at a start: the collector is paused, and does what it did before when they are done."""

import gc
import sys
from pathlib import Path

import pytest

from wiverno.loading import load


def test_nothing_is_collected_while_a_module_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loaded_once.py").write_text("import gc\n\nis_collecting = gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert gc.isenabled()
    assert load("loaded_once", "is_collecting") is False
    assert gc.isenabled()
    del sys.modules["loaded_once"]


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        assert load("wiverno.version", "VERSION")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_collector_is_on_after_an_import_that_fails() -> None:
    with pytest.raises(ModuleNotFoundError):
        load("wiverno.no_such_module", "name")
    assert gc.isenabled()
