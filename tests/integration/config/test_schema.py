"""The JSON Schema in the hands of a TOML language server: what an editor shows while a configuration is written."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wiverno.config.output.schema import schema_text
from wiverno.config.output.template import template

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]


def lint(folder: Path, name: str) -> tuple[int, set[int]]:
    """Return tombi's status and the lines it complains about."""
    (folder / "wiverno.schema.json").write_text(schema_text(), encoding="utf-8")
    tombi = Path(sys.executable).parent / "tombi"
    run = subprocess.run(
        [tombi, "lint", "--offline", name], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    output = re.sub(r"\x1b\[[0-9;]*m", "", run.stdout + run.stderr)
    return run.returncode, {int(line) for line in re.findall(rf"at {re.escape(name)}:(\d+)", output)}


def test_the_example_is_right(tmp_path: Path) -> None:
    shutil.copy(ROOT / "configs" / "production.toml", tmp_path)
    assert (tmp_path / "production.toml").read_text(encoding="utf-8").startswith("#:schema ./wiverno.schema.json\n")
    assert lint(tmp_path, "production.toml") == (0, set())


def test_a_new_configuration_is_right(tmp_path: Path) -> None:
    (tmp_path / "new.toml").write_text(template("new.toml"), encoding="utf-8")
    assert lint(tmp_path, "new.toml") == (0, set())


def test_every_mistake_is_marked(tmp_path: Path) -> None:
    """The lines that `wiverno config check` reports are those that the editor underlines."""
    bad = (ROOT / "tests" / "data" / "config" / "bad.toml").read_text(encoding="utf-8")
    (tmp_path / "bad.toml").write_text(f"#:schema ./wiverno.schema.json\n{bad}", encoding="utf-8")
    assert lint(tmp_path, "bad.toml") == (1, set(range(7, 14)))


def test_mounts(tmp_path: Path) -> None:
    """Tables [[static]] are known, with their keys and types."""
    text = '#:schema ./wiverno.schema.json\n[[static]]\npath = "/s"\ndirectory = "public"\nfallback = true\n'
    (tmp_path / "good.toml").write_text(text, encoding="utf-8")
    assert lint(tmp_path, "good.toml") == (0, set())
    (tmp_path / "bad.toml").write_text(f"{text}index = 7\n", encoding="utf-8")
    status, lines = lint(tmp_path, "bad.toml")
    assert (status, 6 in lines) == (1, True)
