"""A reload does not read half a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiverno.config.errors import ConfigError
from wiverno.config.loader import LoadedConfig, load
from wiverno.config.reloading import Rereading, find_losses

BEFORE = '[app]\nuse = "shop:app"\n[server]\nport = 8000\nthreads = 8\n'


def read(file: Path, text: str) -> LoadedConfig:
    file.write_text(text)
    return load(file, environ={})


@pytest.mark.parametrize(
    ("after", "lost"),
    [
        ("", "is empty"),
        ('[app]\nuse = "shop:app"\n', "no server's section"),
        ('[app]\nuse = "shop:app"\n[server]\nthreads = 8\n', "port: is gone"),
        ('[app]\nuse = "shop:app"\n[server]\nport = 80', "ends"),
    ],
)
def test_what_a_truncated_file_lacks(tmp_path: Path, after: str, lost: str) -> None:
    """An empty file, a line without its end, the server's section and the address are noticed."""
    file = tmp_path / "a.toml"
    found = find_losses(read(file, BEFORE), read(file, after))
    assert any(lost in problem.headline() for problem in found), found


def test_changes_on_purpose_are_accepted(tmp_path: Path) -> None:
    """Another address, another value and fewer settings are a configuration like any other."""
    file = tmp_path / "a.toml"
    assert find_losses(read(file, BEFORE), read(file, '[server]\nlisten = ["127.0.0.1:80"]\n')) == []


def test_each_reload_is_compared_with_the_previous_one(tmp_path: Path) -> None:
    """After a refused reload the comparison stays with the last good configuration."""
    file = tmp_path / "a.toml"
    read_again = Rereading(read(file, BEFORE), lambda: load(file, environ={}))
    file.write_text("")
    with pytest.raises(ConfigError):
        read_again()
    file.write_text(BEFORE.replace("8000", "9000"))
    assert read_again().adjustments.port == 9000
    file.write_text("")
    with pytest.raises(ConfigError):
        read_again()


def test_a_file_that_was_found_by_default_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the comparison the defaults would be taken, which listen on every address."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "wiverno.toml"
    file.write_text(BEFORE)
    again = Rereading(load(None, environ={}), lambda: load(None, environ={}))
    file.unlink()
    with pytest.raises(ConfigError, match="has no server's section any more, only a restart takes the defaults"):
        again()
