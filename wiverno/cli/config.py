"""`wiverno config`: check, show, explain and convert a configuration without starting a server."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from wiverno.cli.exit import MISTAKE, end, report_config_errors, require_file, warn
from wiverno.cli.options import SettingsCommand, collect_options, with_settings
from wiverno.config.errors import ConfigError, Problem, say_report
from wiverno.config.loader import LoadedConfig, load

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.argument("file", required=False, metavar="[FILE] [NAME=VALUE]...", nargs=-1)
REVEAL = click.option("--reveal", is_flag=True, help="Show secrets, and the values of ${...}")
CONFIG = click.option("--config", "config_file", metavar="FILE", help="The file, in place of the argument")
TABLES = (
    CONFIG,
    click.option("--server-name", "section", metavar="NAME", default="main", help="Use [server:NAME]"),
    click.option("-a", "--app-name", metavar="NAME", default="main", help="Use [app:NAME]"),
)


def with_table_options(command: F) -> F:
    """Give a command the options that choose a file's tables."""
    for option in reversed(TABLES):
        command = option(command)
    return command


def with_format_option(*names: str) -> Callable[[F], F]:
    """Give a command the option --format."""
    return click.option(
        "--format", "form", type=click.Choice(names), default=names[0], show_default=True, help="Output format"
    )


@click.group()
def config() -> None:
    """Check, show, explain and convert configuration files."""


@config.command(cls=SettingsCommand)
@FILE
@CONFIG
@click.option("--app", "with_app", is_flag=True, help="Import the application and its middleware too")
@with_format_option("text", "json")
@report_config_errors()
def check(file: tuple[str, ...], form: str, with_app: bool, **kw: Any) -> None:
    """Report every mistake of every section, without starting; status 2 if there is one.

    User, group, chdir and certificates must be there.
    """
    from wiverno.cli.machine import find_missing
    from wiverno.config.check import check as find

    name, variables = _split(file, kw)
    findings = find(name, options=collect_options(kw), variables=variables)
    require_file(findings.file is not None, variables=variables)
    problems, warnings = list(findings.problems), list(findings.warnings)
    if findings.loaded is not None:
        missing, denied = find_missing(findings.loaded)
        problems += missing
        warnings += denied
        if with_app and not missing:
            problems += _app_problems(findings.loaded, variables)
    if form == "json":
        report = {"file": findings.file, "errors": [problem.to_dict() for problem in problems]}
        click.echo(json.dumps({**report, "warnings": warnings}, indent=2))
    else:
        say_report(problems, warnings)
        if not problems:
            click.echo(f"{findings.file or 'no file; environment and defaults'}: ok")
    if problems:
        sys.exit(MISTAKE)


def _app_problems(loaded: LoadedConfig, variables: Mapping[str, str]) -> list[Problem]:
    """Import the application; an exception of its own code is a problem like any other."""
    from wiverno.application_process import prepare_process
    from wiverno.applications import load_configured_application
    from wiverno.files import SetupError, error_text
    from wiverno.workers.hooks import load_hooks
    from wiverno.workers.plan import LoadFailedError

    sys.path.insert(0, str(Path.cwd()))
    try:
        prepare_process(loaded.adjustments)
        load_configured_application(loaded, variables)
        load_hooks(loaded.adjustments)
    except ConfigError as error:
        return list(error.problems)
    except SetupError as error:
        return [Problem(error_text(error), loaded.origins["chdir"][0][1], "app")]
    except LoadFailedError as error:
        return [Problem(error_text(error), loaded.origins["hooks"][0][1], "hooks")]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - an import may raise anything, SystemExit too
        origin = loaded.app.origin if loaded.app else None
        reason = f"importing it raised {type(error).__name__}: {error}"
        return [Problem(reason, origin, "app") if origin else Problem(reason, key="app")]
    return []


@config.command(cls=SettingsCommand)
@FILE
@with_table_options
@click.option("--all", "everything", is_flag=True, help="Defaults too")
@with_format_option("text", "json", "toml")
@REVEAL
@report_config_errors()
def show(file: tuple[str, ...], form: str, everything: bool, reveal: bool, **kw: Any) -> None:
    """Show every value with its source."""
    from wiverno.config.output import explain as export

    loaded = _loaded(file, kw)
    if form == "json":
        click.echo(json.dumps(export.to_data(loaded, reveal, everything=everything), indent=2, default=str))
    elif form == "toml":
        _write(export.to_toml(loaded, reveal, everything=everything), None, force=False)
    else:
        click.echo(export.to_text(loaded, reveal, everything=everything))


def _complete_setting(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from wiverno.config.settings import SETTINGS

    return [name for name in SETTINGS if name.startswith(incomplete.replace("-", "_"))]


@config.command(cls=SettingsCommand)
@click.argument("key", metavar="KEY", shell_complete=_complete_setting)
@FILE
@with_table_options
@with_format_option("text", "json")
@REVEAL
@report_config_errors()
def explain(key: str, file: tuple[str, ...], form: str, reveal: bool, **kw: Any) -> None:
    """Explain one setting: meaning, unit, default, and where its value comes from."""
    from wiverno.config.output import explain as export

    found = export.explain(_loaded(file, kw), key, reveal)
    click.echo(json.dumps(found.to_dict(), indent=2, default=str) if form == "json" else found.text())


@config.command()
@click.argument("source", metavar="[IN]", required=False, type=click.Path(allow_dash=True))
@click.option("--from-command", "command", metavar="COMMAND", help=(
    'A command line of gunicorn, waitress-serve, uwsgi or granian, such as "gunicorn -w 4 shop:app"'
))  # fmt: skip
@click.option("--run", is_flag=True, help="Run a gunicorn.conf.py, where reading it does not find a value")
@click.option("-o", "--output", metavar="OUT", type=click.Path(), help="Write there instead of standard output")
@click.option("--to", type=click.Choice(["toml", "ini"]), help="The format; without it the other one, or OUT's")
@click.option("--strict", is_flag=True, help="Status 1 if anything could not be carried over")
@click.option("--force", is_flag=True, help="Overwrite OUT")
@report_config_errors()
def convert(
    source: str | None, command: str | None, run: bool, output: str | None, to: str | None, strict: bool, force: bool
) -> None:
    """Write a configuration in the other format: INI or TOML.

    Also from waitress's, gunicorn's (gunicorn.conf.py, which is read, not run) and uWSGI's (INI, YAML, XML, JSON), and
    from a command line. Standard output has the configuration alone. Standard error names each setting that is not
    carried over, with its place and what to do.
    """
    from wiverno.config.convert.converter import convert as convert_file
    from wiverno.config.convert.converter import convert_command

    if (source is None) == (command is None):
        end("name one file to convert, or give --from-command", MISTAKE)
    if run and source is not None and not source.endswith(".py"):
        end("--run is for a gunicorn.conf.py", MISTAKE)
    suffix = Path(output).suffix.removeprefix(".") if output else ""
    if force and output is None:
        end("--force overwrites the file of --output; name one, or leave --force out", MISTAKE)
    if to and suffix in ("toml", "ini") and suffix != to:
        end(f"--to {to} and --output {output} are two formats; leave out --to", MISTAKE)
    target = to or (suffix if suffix in ("toml", "ini") else None)
    converted = convert_command(command, target, run=run) if command else convert_file(str(source), target, run=run)
    _write(converted.text, output, force=force)
    for remark in converted.remarks:
        click.echo(f"note: {remark.headline()}", err=True)
    for note in converted.notes:
        click.echo(f"not carried over: {note.headline()}", err=True)
    if converted.notes and strict:
        sys.exit(1)


@config.command()
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write there instead of standard output")
@report_config_errors()
def schema(output: str | None) -> None:
    """Write the JSON Schema of TOML configurations, for editors and CI."""
    from wiverno.config.output.schema import schema_text

    _write(schema_text(), output, force=True)


@config.command()
@click.argument("path", required=False, type=click.Path(dir_okay=False))
@click.option("--ini", is_flag=True, help="INI for pserve instead of TOML")
@click.option("--app", metavar="MODULE:ATTRIBUTE", default="yourproject:app", help="The application")
@report_config_errors()
def init(path: str | None, ini: bool, app: str) -> None:
    """Write a commented configuration to start from; an existing file is never overwritten."""
    from wiverno.config.output.template import template

    name = path or ("wiverno.ini" if ini else "wiverno.toml")
    if ini and name.endswith(".toml"):
        end(f"--ini and {name} are two formats; leave out --ini, or name a file that ends in .ini", MISTAKE)
    _write(template(name, ini=ini or name.endswith(".ini"), app=app), name, force=False)
    click.echo(f"{name} written; next: wiverno config check {name} --app")


def _split(words: tuple[str, ...], kw: Mapping[str, Any]) -> tuple[str | None, dict[str, str]]:
    """Separate the file from variables."""
    variables = dict(word.split("=", 1) for word in words if "=" in word)
    files = [kw["config_file"]] if kw["config_file"] is not None else []
    files += [word for word in words if "=" not in word]
    if len(files) > 1:
        end(f"one file at a time: {files[0]}, so what is {files[1]}?", MISTAKE)
    return (files[0] if files else None), variables


def _loaded(words: tuple[str, ...], kw: Mapping[str, Any]) -> LoadedConfig:
    name, variables = _split(words, kw)
    loaded = load(
        name, options=collect_options(kw), server_name=kw["section"], app_name=kw["app_name"], variables=variables,
        is_local=True,
    )  # fmt: skip
    require_file(bool(loaded.files) or name == "-", section=kw["section"], variables=variables)
    warn(loaded.warnings)
    return loaded


def _write(text: str, output: str | None, *, force: bool) -> None:
    """Write to a file, or to standard output."""
    if output is None:
        # These formats are UTF-8 in any locale.
        click.echo(f"{text.removesuffix(chr(10))}\n".encode())
        return
    try:
        with Path(output).open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        end(f"{output} exists and was left alone; choose another name", MISTAKE)
    except OSError as error:
        end(f"{output}: {error.strerror}", MISTAKE)


# check, show and explain take the options that a start would have.
for _command in (check, show, explain):
    with_settings(_command, short={}, without=("server_name",), common=())
