"""The command group: cheap help, near misses, completion."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete
from click.testing import CliRunner

from tests.support.processes import run, script
from wiverno.cli.commands import overview
from wiverno.cli.group import group

HEAVY = {"pydantic", "paste.deploy", "watchfiles", "werkzeug", "wiverno.config", "wiverno.core", "wiverno.web"}


@pytest.mark.parametrize(
    ("arguments", "heavy"), [(["--help"], HEAVY | {"click"}), (["--version"], HEAVY), (["rnu"], HEAVY), ([], HEAVY)]
)
def test_light(arguments: list[str], heavy: set[str]) -> None:
    """Help, version and a wrong command load neither pydantic nor PasteDeploy, and help not even click."""
    code = f"""
import sys
from wiverno.cli import main
sys.argv[1:] = {arguments!r}
try:
    main()
except SystemExit:
    pass
print("LOADED", *sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.partition("LOADED")[2].split())
    assert "wiverno.cli" in loaded
    assert not loaded & heavy


def test_one_overview() -> None:
    """click's help is the same text."""
    assert CliRunner().invoke(group, ["--help"], prog_name="wiverno").output == overview()
    assert max(map(len, overview().splitlines())) <= 80


def test_help_lists_every_command() -> None:
    """The table's words stand in help, in its order."""
    text = CliRunner().invoke(group, ["--help"]).output
    order = [text.index(f"\n  {name}") for name in ("run", "serve", "config", "routes")]
    assert order == sorted(order)


def test_near_miss() -> None:
    """A mistyped command is answered with the nearest one and status 2."""
    result = CliRunner().invoke(group, ["confg", "check"])
    assert result.exit_code == 2
    assert "no such command 'confg'; did you mean 'config'?" in result.output


def complete(kind: type[ShellComplete], *words: str) -> list[str]:
    shell = kind(group, {}, "wiverno", "_WIVERNO_COMPLETE")
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize("kind", [BashComplete, ZshComplete, FishComplete])
def test_completion(kind: type[ShellComplete]) -> None:
    """Commands, their options, a choice's words and settings' names are completed in every shell."""
    assert complete(kind, "r") == ["run", "routes"]
    assert complete(kind, "config", "") == ["check", "convert", "explain", "init", "schema", "show"]
    assert complete(kind, "run", "--max-request-b") == ["--max-request-body-size"]
    assert complete(kind, "run", "--mode", "") == ["threaded", "simple"]
    assert complete(kind, "config", "explain", "thr") == ["threads"]
    assert "--no-ipv6" in complete(kind, "serve", "--no-")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    """The program writes the script that a shell loads, as the README says."""
    done = run([script("wiverno")], env={"_WIVERNO_COMPLETE": f"{shell}_source"})
    assert done.returncode == 0, done.stderr
    assert "_WIVERNO_COMPLETE" in done.stdout


def test_completion_in_bash(tmp_path: Path) -> None:
    """A real bash that has loaded the script completes a command."""
    source = tmp_path / "completion"
    source.write_text(run([script("wiverno")], env={"_WIVERNO_COMPLETE": "bash_source"}).stdout)
    folder = Path(script("wiverno")).parent
    words = 'COMP_WORDS=(wiverno config ex); COMP_CWORD=2; _wiverno_completion wiverno; echo "${COMPREPLY[@]}"'
    done = run(["bash", "-c", f"PATH={folder}:$PATH; source {source}; {words}"])
    assert done.stdout.strip() == "explain", done.stderr
