"""Options are made from the settings model."""

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from wiverno.cli.group import group
from wiverno.cli.options import COMMON, SettingOption, SettingsCommand, collect_options, with_settings
from wiverno.cli.run import run
from wiverno.cli.serve import serve
from wiverno.config.settings import SETTINGS


def names(command: click.Command) -> dict[str, SettingOption]:
    return {str(param.name): param for param in command.params if isinstance(param, SettingOption)}


def test_every_setting_has_an_option() -> None:
    """`run` and `serve` have an option for every setting; help of `run` hides those that do nothing."""
    possible = {name for name, setting in SETTINGS.items() if not setting.code_only}
    inert = {name for name, setting in SETTINGS.items() if setting.inert}
    assert set(names(serve)) == possible
    assert set(names(run)) == possible - {"server_name"}
    assert {name for name, option in names(run).items() if option.hidden} == inert
    assert not any(option.hidden for option in names(serve).values())


def test_an_option_that_does_nothing_is_accepted_and_named() -> None:
    """A command line that was written for an earlier version still starts, and says what may go."""
    done = CliRunner().invoke(
        group, ["run", "wiverno.demo:create_app", "--factory", "--cleanup-interval", "3", "--check"]
    )
    assert done.exit_code == 0, done.output
    assert "cleanup_interval does nothing in wiverno" in done.output


@pytest.mark.parametrize("name", sorted(set(SETTINGS) - {"sockets"}))
def test_help(name: str) -> None:
    """An option's help says meaning, unit, variable and default."""
    setting, option = SETTINGS[name], names(serve)[name]
    assert setting.option in option.opts
    assert option.help is not None
    assert option.help.startswith(setting.meaning)
    assert setting.variable in option.help
    assert setting.type.unit in option.help
    assert "default" in option.help


def collected(*arguments: str) -> dict[str, object]:
    found: dict[str, object] = {}

    @click.command(cls=SettingsCommand)
    def command(**kw: object) -> None:
        found.update(collect_options(kw))

    with_settings(command)
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--port", "99999"], {"port": "99999"}),
        (["-h", "::1", "-p", "1"], {"host": "::1", "port": "1"}),
        (["--listen", "a:1", "--listen", "b:2"], {"listen": "a:1 b:2"}),
        (["--no-ipv6", "--expose-tracebacks"], {"ipv6": "false", "expose_tracebacks": "true"}),
        (["--request-queue-size", "7"], {"backlog": "7"}),
        (["--backlog", "7"], {"backlog": "7"}),
        (["--ident", ""], {"ident": ""}),
    ],
)
def test_given(arguments: list[str], expected: dict[str, object]) -> None:
    """An option only collects text; what was not given is not there, so that file and environment count."""
    assert collected(*arguments) == expected


def commands(found: click.Command, *names: str) -> Iterator[tuple[str, ...]]:
    """The names of every command below one, itself included."""
    yield names
    if isinstance(found, click.Group):
        for name in found.list_commands(click.Context(found)):
            inner = found.get_command(click.Context(found), name)
            assert inner is not None
            yield from commands(inner, *names, name)


@pytest.mark.parametrize("names", list(commands(group)), ids="-".join)
def test_rows_of_help(names: tuple[str, ...]) -> None:
    """Every row under "Options" is an option and says what it does."""
    done = CliRunner().invoke(group, [*names, "--help"])
    assert done.exit_code == 0
    rows = done.output.partition("\nOptions:\n")[2].partition("\n\n")[0].splitlines()
    assert rows
    starts = [row for row in rows if not row.startswith("   ")]
    assert [row for row in starts if not row.startswith("  -")] == []
    for row, after in zip(starts, [*starts[1:], None], strict=True):
        text = "".join(rows[rows.index(row) : rows.index(after) if after else None])
        assert re.search(r"\S {2,}[^ \[]", text), text


def test_groups_in_help() -> None:
    """Help lists a command's own options first, then the settings under the model's headings."""
    text = CliRunner().invoke(group, ["run", "--help-all"]).output
    headings = list(dict.fromkeys(setting.group for setting in SETTINGS.values() if not setting.inert))
    positions = [text.index(f"\n{heading}:\n") for heading in ["Options", *headings]]
    assert positions == sorted(positions)
    assert "Compatibility" not in text


def test_help_is_short_unless_all_is_asked_for() -> None:
    """`--help` lists forty options of run and only the own ones of config; `--help-all` lists every setting."""
    assert SETTINGS.keys() >= COMMON
    text = CliRunner().invoke(group, ["run", "--help"]).output
    assert len(re.findall(r"^  -", text, re.MULTILINE)) <= 45
    assert "--help-all lists all" in re.sub(r"\s+", " ", text)
    assert "--workers" in text
    assert "--outbuf-overflow" not in text
    assert "--outbuf-overflow" in CliRunner().invoke(group, ["run", "--help-all"]).output
    short, long = (CliRunner().invoke(group, ["config", "check", option]).output for option in ("--help", "--help-all"))
    assert "--app" in short
    assert "--workers" not in short
    assert "--workers" in long


def test_settings_that_help_leaves_out_are_options() -> None:
    done = CliRunner().invoke(group, ["config", "show", "--outbuf-overflow", "7kB"])
    assert "outbuf_overflow" in done.output


def test_the_default_address_of_each_command() -> None:
    """`run` listens on this machine, `serve` where waitress-serve does, and help says so."""
    assert str(names(run)["host"].help).endswith("[WIVERNO_HOST; default localhost]")
    assert str(names(run)["port"].help).endswith("[WIVERNO_PORT; default 8000]")
    assert "default 0.0.0.0;" in str(names(serve)["host"].help)
