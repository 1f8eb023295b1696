"""The page of the command line: every command and option is on it, and the one in the documents is up to date."""

import re
from pathlib import Path

import pytest

from tests.support.files import ROOT
from wiverno.cli import command_page
from wiverno.cli.commands import COMMANDS


def test_every_command_has_a_section() -> None:
    text = command_page.page()
    for name in (*COMMANDS, "config explain", "ctl reload"):
        assert re.search(rf"^##+ `wiverno {name}`$", text, re.MULTILINE), name
    assert "| `--json` | Print everything as JSON |" in text
    assert "--outbuf-overflow" not in text


def test_the_documents_have_the_present_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_page.main(["--check", str(ROOT / "docs" / "commands.md")]) == 0
    old = tmp_path / "commands.md"
    old.write_text("old")
    assert command_page.main(["--check", str(old)]) == 1
    assert "is outdated: run python -m wiverno.cli.command_page" in capsys.readouterr().err
    assert command_page.main([str(old)]) == 0
    assert old.read_text(encoding="utf-8") == command_page.page()
