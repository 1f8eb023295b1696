"""`wiverno run`: from a configuration, an application's name, or the framework's run.py to a server that answers."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from wiverno.cli.failures import FAILURE, MISTAKE, end, reported, warn
from wiverno.cli.options import SettingsCommand, given, with_settings
from wiverno.config.errors import Origin
from wiverno.config.loader import AppSpec, LoadedConfig, activate, load
from wiverno.config.logging_setup import set_up_logging
from wiverno.config.settings import SETTINGS
from wiverno.files import in_start_directory
from wiverno.paste import application, application_of
from wiverno.serving import run_plan, why_not_started
from wiverno.workers.plan import LoadFailedError, Plan
from wiverno.workers.supervisor import StartFailedError

MODULE, ATTRIBUTE = "run", "app"
"""The application of `wiverno run dev` and `prod` unless --app-module and --app-name say otherwise."""

DEV_SETTINGS = ("host", "port", "threads")
"""Settings that the development server has."""


HELP = """Serve an application until Ctrl-C.

\b
wiverno run                          what ./wiverno.toml names
wiverno run --config production.toml
wiverno run shop.wsgi:application    any WSGI application
wiverno run dev                      run.py here, restarted whenever a file changes
wiverno run prod                     run.py here, on RunServer

NAME=VALUE is a variable for ${NAME} in the file, as on pserve's command line.
"""


@click.command(cls=SettingsCommand, help=HELP)
@click.argument("words", nargs=-1, metavar="[dev|prod|MODULE:ATTRIBUTE] [NAME=VALUE]...")
@click.option("--config", "config_file", metavar="FILE", type=click.Path(), help=(
    "TOML or INI file [WIVERNO_CONFIG; default ./wiverno.toml if it is there]"
))  # fmt: skip
@click.option("-m", "--app-module", metavar="MODULE", help=f"Module of the application [with dev and prod: {MODULE}]")
@click.option("-a", "--app-name", metavar="NAME", help=(
    f"Its attribute there [default {ATTRIBUTE}]; with --config alone the table [app:NAME]"
))  # fmt: skip
@click.option("--factory", is_flag=True, help="The attribute is a function that makes the application")
@click.option("--server-name", "section", metavar="NAME", default="main", help="Use the file's table [server:NAME]")
@click.option("-w", "--watch", metavar="DIRECTORIES", help="With dev: what to watch, separated by commas [default .]")
@click.option("--ignore", metavar="PATTERNS", help='With dev: files that do not matter, such as "*.tmp,build/*"')
@click.option("--allow-host", metavar="HOST", multiple=True, help="With dev: a host name to answer to; * is any")
@click.option("--live", is_flag=True, help="With dev: pages reload themselves after a restart")
@click.option("--check", is_flag=True, help="Load the configuration and the application, then end")
@reported()
def run(words: tuple[str, ...], **kw: Any) -> None:
    """Serve an application until Ctrl-C."""
    target, variables = _understood(words)
    sys.path.insert(0, str(Path.cwd()))
    if target == "dev":
        _develop(kw)
        return
    app_name = kw["app_name"] or "main"
    spec = _named(target, kw)

    def read() -> LoadedConfig:
        return load(
            kw["config_file"], options=given(kw), server_name=kw["section"], variables=variables,
            app_name="main" if spec else app_name, mode="simple" if target == "prod" else None,
        )  # fmt: skip

    loaded = read()
    warn(loaded.warnings)
    if spec is None and loaded.app is None and loaded.path is None:
        end("nothing to serve: name an application (wiverno run shop.wsgi:application) or a file (--config)", MISTAKE)
    _prepare(loaded)

    def plan(loaded: LoadedConfig) -> Plan:
        made = lambda: application(spec) if spec else application_of(loaded, variables)  # noqa: E731
        name = spec.use if spec else loaded.app.use if loaded.app else ""
        return Plan(loaded.adjustments, made, lambda: _prepare(loaded), name=name)

    if kw["check"]:
        try:
            plan(loaded).load()
        except LoadFailedError as error:
            end(str(error), FAILURE)
        click.echo(f"ok: {_summary(loaded, spec)}")
        return
    start(plan(loaded), lambda: plan(read()))


def _prepare(loaded: LoadedConfig) -> None:
    """Do what has to be done in a process before the application is loaded."""
    with in_start_directory():
        set_up_logging(loaded)
    activate(loaded)


def start(plan: Plan, configure: Callable[[], Plan] | None = None) -> None:
    """Serve until a signal ends it; what keeps the server from starting is told and ends the program with status 1."""
    try:
        run_plan(plan, configure)
    except OSError as error:
        end(why_not_started(error, plan.adjustments), FAILURE)
    except (LoadFailedError, StartFailedError) as error:
        end(str(error), FAILURE)


def _understood(words: tuple[str, ...]) -> tuple[str | None, dict[str, str]]:
    """Tell variables from the one word that says what to serve."""
    variables = dict(word.split("=", 1) for word in words if "=" in word)
    targets = [word for word in words if "=" not in word]
    if len(targets) > 1:
        end(f"only one application can be served: {targets[0]}, so what is {targets[1]}?", MISTAKE)
    return (targets[0] if targets else None), variables


def _named(target: str | None, kw: Mapping[str, Any]) -> AppSpec | None:
    """Return the application that the command line names, or None if the configuration is to name it."""
    origin = Origin("keyword")
    if target in (None, "prod"):
        if target is None and kw["app_module"] is None:
            return None
        return AppSpec(f"{kw['app_module'] or MODULE}:{kw['app_name'] or ATTRIBUTE}", kw["factory"], {}, origin)
    if kw["app_module"]:
        end(f"both {target} and --app-module {kw['app_module']} name an application", MISTAKE)
    return AppSpec(str(target), kw["factory"], {}, origin)


def _develop(kw: Mapping[str, Any]) -> None:
    """Run the development server: the same names and defaults as prod, restarted on every change."""
    from wiverno.dev.dev_server import DevServer

    settings = given(kw)
    if others := [SETTINGS[name].option for name in settings if name not in DEV_SETTINGS]:
        end(f"wiverno run dev takes no {others[0]}; it is for wiverno run and wiverno run prod", MISTAKE)
    loaded = load(kw["config_file"], options=settings, server_name=kw["section"], mode="simple")
    warn(loaded.warnings)
    adjustments = loaded.adjustments
    threads = {} if loaded.origins["threads"][0][1].kind == "default" else {"threads": adjustments.threads}
    try:
        DevServer.serve(
            kw["app_module"] or MODULE,
            kw["app_name"] or ATTRIBUTE,
            adjustments.host,
            adjustments.port,
            watch_dirs=_items(kw["watch"]),
            ignore_patterns=_items(kw["ignore"]),
            factory=kw["factory"],
            allowed_hosts=kw["allow_host"],
            live=kw["live"],
            **threads,
        )
    except NotADirectoryError as error:
        end(str(error), MISTAKE)
    except OSError as error:
        end(why_not_started(error, adjustments), FAILURE)


def _items(text: str | None) -> list[str] | None:
    """Return what stands between commas."""
    return [item.strip() for item in text.split(",") if item.strip()] if text else None


def _summary(loaded: LoadedConfig, spec: AppSpec | None) -> str:
    adjustments = loaded.adjustments
    name = spec.use if spec else loaded.app.use if loaded.app else str(loaded.path)
    where = ", ".join(str(address) for address in adjustments.addresses)
    threads = "RunServer" if adjustments.mode == "simple" else f"{adjustments.threads} threads"
    return f"{name} would be served on {where} ({threads}) from {loaded.path or 'no file'}"


# `--server-name` chooses a table here, so the setting of that name comes from the file or WIVERNO_SERVER_NAME.
with_settings(run, without=("server_name",))
