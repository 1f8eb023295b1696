"""`wiverno run`: serve an application from a configuration, by name, or the framework's run.py."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from wiverno.application_process import extend_import_path
from wiverno.applications import load_application, load_configured_application
from wiverno.cli.completion import TargetType
from wiverno.cli.exit import FAILURE, MISTAKE, end, report_config_errors, require_file, warn, warn_of_replaced
from wiverno.cli.options import COMMON, SettingsCommand, collect_options, with_settings
from wiverno.config.environment import choose_file, follow_directory, read_environment
from wiverno.config.errors import Origin
from wiverno.config.loader import AppSpec, LoadedConfig, activate, load
from wiverno.config.logging_setup import import_for_logging, set_up_logging
from wiverno.config.reloading import Rereading
from wiverno.core.log_files import prepare_for
from wiverno.core.ownership import future_owner
from wiverno.core.threads.recovery import ServerFailedError
from wiverno.files import in_start_directory
from wiverno.importer import ImportTargetError, require_spelling
from wiverno.serving import run_plan
from wiverno.start_errors import explain_bind_error
from wiverno.workers.plan import LoadFailedError, Plan, StartFailedError
from wiverno.workers.process_exit import watch_end

MODULE, ATTRIBUTE = "run", "app"
"""The application of `wiverno run dev` and `prod` unless --app-module and --app-name say otherwise."""

NO_FILE = "no configuration file"

HELP = """Serve an application until Ctrl-C.

\b
wiverno run                          what ./wiverno.toml names
wiverno run --config production.toml
wiverno run shop.wsgi:application    any WSGI application
wiverno run dev [MODULE:ATTRIBUTE]   restarted whenever a file changes
wiverno run prod [MODULE:ATTRIBUTE]  on RunServer; with --threads on as many threads

dev and prod serve what ./wiverno.toml or --config names, else run:app. The address is
localhost:8000, for this machine only, unless --host, --port, --listen or the file says another.
NAME=VALUE is a variable for ${NAME} in the file, as on pserve's command line.
"""


@click.command(cls=SettingsCommand, help=HELP)
@click.argument(
    "words", nargs=-1, metavar="[dev|prod] [MODULE:ATTRIBUTE] [NAME=VALUE]...", type=TargetType(("dev", "prod"))
)
@click.option("--config", "config_file", metavar="FILE", type=click.Path(), help=(
    "TOML or INI file [WIVERNO_CONFIG; default ./wiverno.toml if it is there]"
))  # fmt: skip
@click.option("-m", "--app-module", metavar="MODULE", help=f"Module of the application [with dev and prod: {MODULE}]")
@click.option("-a", "--app-name", metavar="NAME", help=(
    f"Its attribute there [default {ATTRIBUTE}]; with --config alone the table [app:NAME]"
))  # fmt: skip
@click.option("--factory", is_flag=True, help="The attribute is a function that makes the application")
@click.option("--server-name", "section", metavar="NAME", default="main", help="Use the file's table [server:NAME]")
@click.option("-w", "short_w", metavar="N", help="Worker processes, as --workers; with dev the same as --watch")
@click.option("--watch", metavar="DIRECTORIES", help="With dev: what to watch, separated by commas [default .]")
@click.option("--ignore", metavar="PATTERNS", help='With dev: files to ignore, such as "*.tmp,build/*"')
@click.option("--allow-host", metavar="HOST", multiple=True, help="With dev: a further host name to answer; * is any")
@click.option("--live", is_flag=True, help="With dev: pages reload themselves after a restart")
@click.option("--check", is_flag=True, help="Load the configuration and the application, then end")
@report_config_errors()
def run(words: tuple[str, ...], **kw: Any) -> None:
    """Serve an application until Ctrl-C."""
    command, target, variables = _parse_arguments(words)
    _resolve_w(command, kw)
    named = _application_from_options(command, target, kw)
    sys.path.insert(0, follow_directory(sys.path))
    if command == "dev":
        from wiverno.cli.develop import develop

        develop(named, (MODULE, ATTRIBUTE), kw, variables)
        return
    _refuse_unused(kw, named)

    def read(file: str | None) -> LoadedConfig:
        return load(
            file, options=collect_options(kw), server_name=kw["section"], variables=variables,
            app_name="main" if named or command else kw["app_name"] or "main",
            mode="simple" if command == "prod" else None, is_local=True,
        )  # fmt: skip

    # A reload reads the file of the start, even if that was found by default and is missing then.
    file, _ = choose_file(kw["config_file"], read_environment())
    loaded = read(kw["config_file"])
    warn(loaded.warnings)
    if named is None and command == "prod" and loaded.app is None:
        named = MODULE, ATTRIBUTE
    spec = AppSpec(":".join(filter(None, named)), kw["factory"], {}, Origin("keyword")) if named else None
    is_read = bool(loaded.files) or kw["config_file"] == "-"
    if spec is None and loaded.app is None and not is_read:
        end("nothing to serve: name an application (wiverno run shop.wsgi:application) or a file (--config)", MISTAKE)
    if spec is not None:
        warn_of_replaced(loaded, spec.use)
    require_file(is_read, section=kw["section"], variables=variables)
    _prepare(loaded)

    def plan(loaded: LoadedConfig) -> Plan:
        load_app = lambda: load_application(spec) if spec else load_configured_application(loaded, variables)  # noqa: E731
        name = spec.use if spec else loaded.app.use if loaded.app else ""
        source = str(loaded.path or NO_FILE)
        return Plan(loaded.adjustments, load_app, lambda: _prepare(loaded), name=name, source=source)

    if kw["check"]:
        _load_all(plan(loaded))
        click.echo(f"ok: {_summary(loaded, spec)}")
        return
    read_again = Rereading(loaded, lambda: read(file))
    start(plan(loaded), lambda: plan(read_again()))


def _load_all(plan: Plan) -> None:
    """Load the application and the hooks, or end the program with status 1."""
    try:
        plan.load()
        if plan.adjustments.hooks:
            from wiverno.workers.hooks import load_hooks

            load_hooks(plan.adjustments)
    except LoadFailedError as error:
        end(str(error), FAILURE)


def _prepare(loaded: LoadedConfig) -> None:
    """Prepare a process for loading the application."""
    extend_import_path(loaded.adjustments)
    with in_start_directory():
        import_for_logging(loaded)
        prepare_for(future_owner(loaded.adjustments), lambda: set_up_logging(loaded))
    activate(loaded)


def start(plan: Plan, configure: Callable[[], Plan] | None = None) -> None:
    """Serve until a signal; an error that keeps the server from starting ends the program with status 1."""
    try:
        watch_end(run_plan(plan, configure))
    except OSError as error:
        end(explain_bind_error(error, plan.adjustments), FAILURE)
    except (LoadFailedError, ServerFailedError, StartFailedError) as error:
        end(str(error), FAILURE)


def _parse_arguments(words: tuple[str, ...]) -> tuple[str | None, str | None, dict[str, str]]:
    """Separate the command dev or prod, the application, and variables."""
    # A word such as shop:create_app(debug=True) is no variable; the importer says how to name it.
    targets = [word for word in words if "=" not in word or "(" in word.partition("=")[0]]
    variables = dict(word.split("=", 1) for word in words if word not in targets)
    command = targets.pop(0) if targets and targets[0] in ("dev", "prod") else None
    if len(targets) > 1:
        end(f"only one application can be served: {targets[0]}, so what is {targets[1]}?", MISTAKE)
    return command, (targets[0] if targets else None), variables


def _resolve_w(command: str | None, kw: dict[str, Any]) -> None:
    """Replace -w by --workers, as in gunicorn, or with dev by --watch."""
    short = kw.pop("short_w")
    if short is None:
        return
    name = "watch" if command == "dev" else "workers"
    if kw[name] is not None:
        end(f"-w and --{name} say the same; leave one of them out", MISTAKE)
    if name == "workers" and not short.isdecimal():
        end(f"-w {short}: -w is the number of workers; what to watch is for wiverno run dev", MISTAKE)
    kw[name] = short


def _application_from_options(command: str | None, target: str | None, kw: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return module and attribute of the application that the command line names, None if it names none."""
    module, name = kw["app_module"], kw["app_name"]
    if target is not None:
        for option, value in (("--app-module", module), ("--app-name", name)):
            if value:
                end(f"both {target} and {option} {value} name an application", MISTAKE)
        module, colon, name = target.partition(":")
        if command == "dev":
            _require_spelling(target)
        return (module, name) if colon else (target, "")
    if module is not None or (command and (name or kw["factory"])):
        return module or MODULE, name or ATTRIBUTE
    return None


def _require_spelling(target: str) -> None:
    """End the program if the name is misspelt; later the development server would show it as a page."""
    try:
        require_spelling(target)
    except ImportTargetError as error:
        end(str(error), MISTAKE)


def _refuse_unused(kw: Mapping[str, Any], named: tuple[str, str] | None) -> None:
    """End the program if an option has no effect here."""
    for option in ("watch", "ignore", "allow_host", "live"):
        if kw[option]:
            end(f"--{option.replace('_', '-')} is for wiverno run dev, which watches files; leave it out here", MISTAKE)
    if kw["factory"] and named is None:
        end("--factory is for an application named here; in a configuration it is factory = true in [app]", MISTAKE)


def _summary(loaded: LoadedConfig, spec: AppSpec | None) -> str:
    adjustments = loaded.adjustments
    name = spec.use if spec else loaded.app.use if loaded.app else str(loaded.path)
    where = ", ".join(str(address) for address in adjustments.addresses)
    most = f" to {adjustments.max_threads}" if adjustments.max_threads > adjustments.threads else ""
    threads = "RunServer" if adjustments.mode == "simple" else f"{adjustments.threads}{most} threads"
    return f"{name} would be served on {where} ({threads}) from {loaded.path or 'no file'}"


# `--server-name` chooses a table here, so the setting of that name comes from the file or WIVERNO_SERVER_NAME.
with_settings(run, without=("server_name",), common=COMMON)
