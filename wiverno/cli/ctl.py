"""`wiverno ctl`: status of a running server, reload and stop, through its admin address.

The address is the one in the configuration that the service was started with (`admin_listen`), or given by --admin.
Exit status: 0 done, 1 refused or failed, 2 a mistake in the call or the configuration.
"""

import functools
import json
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn

import click

from wiverno.admin.client import AdminClient, NoAnswerError
from wiverno.cli.exit import FAILURE, MISTAKE, end, report_config_errors
from wiverno.config.loader import load

RELOAD_TIMEOUT: Final = 300.0  # seconds that a reload may take: applications may be slow to load

Command = Callable[..., None]


def with_place_options(command: Command) -> Command:
    """Give a command the options that say where the server is, before or after its name."""
    for option in (
        click.option("--admin", metavar="ADDRESS", help="The admin address itself, in place of the file's"),
        click.option("--server-name", "section", metavar="NAME", help="Use the file's table [server:NAME]"),
        click.option("--config", "config_file", metavar="FILE", type=click.Path(), help=(
            "The file with admin_listen [WIVERNO_CONFIG; default ./wiverno.toml if it is there]"
        )),
    ):  # fmt: skip
        command = option(command)
    return command


def with_json(command: Command) -> Command:
    """Give a command an option for an answer that a program reads."""
    return click.option("--json", "as_json", is_flag=True, help="Print everything as JSON")(command)


def with_client(command: Command) -> Command:
    """Pass a command the client of the server that its options, or the group's, name."""

    @with_place_options
    @click.pass_context
    @report_config_errors()
    @functools.wraps(command)
    def wrapper(
        ctx: click.Context, /, config_file: str | None, section: str | None, admin: str | None, **kw: Any
    ) -> None:
        common = ctx.obj
        if kw.get("more") and kw.get("fewer"):
            end("--more and --fewer contradict each other; choose one", MISTAKE)
        for option, one, two in (
            ("--admin", common["admin"], admin),
            ("--config", common["config_file"], config_file),
            ("--server-name", common["section"], section),
        ):
            if one and two and one != two:
                end(f"{option} is given twice, as {one} and {two}; leave one of them out", MISTAKE)
        address = admin or common["admin"]
        options = {"admin_listen": address} if address else None
        section = section or common["section"] or "main"
        settings = load(config_file or common["config_file"], options=options, server_name=section).adjustments
        if settings.admin_address is None:
            end("no admin address: set admin_listen in the configuration (and restart), or give --admin", MISTAKE)
        command(AdminClient(settings.admin_address), **kw)

    return wrapper


@click.group()
@with_place_options
@click.pass_context
def ctl(ctx: click.Context, /, **places: str | None) -> None:
    """Show the status of a running server; reload or stop it."""
    ctx.obj = places


@ctl.command()
@with_json
@with_client
def status(client: AdminClient, as_json: bool) -> None:
    """Show the server's status; exit status 1 if it is not ready."""
    found = _ask(client.status)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _show(found)
    if not found["ready"]:
        raise SystemExit(FAILURE)


@ctl.command()
@click.option("--more", is_flag=True, help="Start one more worker")
@click.option("--fewer", is_flag=True, help="Stop one worker")
@with_json
@with_client
def workers(client: AdminClient, more: bool, fewer: bool, as_json: bool) -> None:
    """List the workers, or start or stop one."""
    if more or fewer:
        _act(client, "more" if more else "fewer", as_json=as_json)
        return
    found = _ask(client.status)["workers"]
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _table(found)


@ctl.command()
@click.option("--wait/--no-wait", default=True, help="Wait until the new workers serve [default wait]")
@with_json
@with_client
def reload(client: AdminClient, wait: bool, as_json: bool) -> None:
    """Reload configuration and code; exit status 1 and the reason if that fails."""
    before = _ask(client.status)["reloads"]
    _act(client, "reload", quiet=wait, as_json=as_json)
    deadline = time.monotonic() + RELOAD_TIMEOUT
    while wait:
        now = _ask(client.status)["reloads"]
        if now["failed"] > before["failed"]:
            words = f"reload failed, still running the previous configuration:\n{now['last_failure']}"
            _refuse(words, as_json=as_json)
        if now["succeeded"] > before["succeeded"]:
            _tell("reloaded: the new workers serve", as_json=as_json)
            return
        if time.monotonic() > deadline:
            words = f"the reload has not finished after {RELOAD_TIMEOUT:g} s; wiverno ctl status shows its progress"
            _refuse(words, as_json=as_json)
        time.sleep(0.1)  # between two looks; the deadline ends them


@ctl.command()
@with_json
@with_client
def stop(client: AdminClient, as_json: bool) -> None:
    """Stop the server after requests in progress have finished."""
    _act(client, "stop", as_json=as_json)


@ctl.command()
@with_json
@with_client
def reopen(client: AdminClient, as_json: bool) -> None:
    """Reopen log files after rotation."""
    _act(client, "reopen", as_json=as_json)


def _ask(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except NoAnswerError as error:
        end(f"{error}; is the server running, and was it started with this configuration?", FAILURE)


def _act(client: AdminClient, action: str, *, quiet: bool = False, as_json: bool = False) -> None:
    begun, words = _ask(lambda: client.ask(action))
    if not begun:
        _refuse(words, as_json=as_json)
    if not quiet:
        _tell(words, as_json=as_json)


def _tell(words: str, *, as_json: bool) -> None:
    click.echo(json.dumps({"done": True, "message": words}) if as_json else words)


def _refuse(words: str, *, as_json: bool) -> NoReturn:
    """End with status 1; as JSON the reason is on standard output, where a program reads it."""
    if not as_json:
        end(words, FAILURE)
    click.echo(json.dumps({"done": False, "message": words}))
    raise SystemExit(FAILURE)


def _show(found: dict[str, Any]) -> None:
    total, gauges = found["total"], found["total"]["gauges"]
    state = "ready" if found["ready"] else found["state"]
    click.echo(f"{click.style(state, fg='green' if found['ready'] else 'red', bold=True)}  "
               f"process {found['pid']}, up {_span(found['age'])}, wiverno {found['version']}, "
               f"{', '.join(found['addresses'])}")  # fmt: skip
    classes = ", ".join(f"{count} {name}" for name, count in total["classes"].items() if count)
    click.echo(f"requests     {int(total['totals']['requests'])} ({classes or 'none yet'})")
    most = f" (at most {int(gauges['max_threads'])})" if gauges["max_threads"] > gauges["threads"] else ""
    click.echo(f"threads      {int(gauges['busy'])} of {int(gauges['threads'])}{most} held up, "
               f"{int(gauges['queued'])} request(s) queued")  # fmt: skip
    click.echo(f"connections  {int(gauges['connections'])}")
    reloads, restarts = found["reloads"], found["restarts"]
    click.echo(f"reloads      {reloads['succeeded']} succeeded, {reloads['failed']} failed")
    if restarts:
        click.echo("replaced     " + ", ".join(f"{count} {reason}" for reason, count in restarts.items()))
    click.echo()
    _table(found["workers"])
    if reloads["last_failure"]:
        click.echo(f"\nthe last reload failed:\n{reloads['last_failure']}")


def _table(found: list[dict[str, Any]]) -> None:
    head = ("process", "state", "generation", "age", "requests", "connections", "busy", "queued", "memory")
    rows = [
        (
            str(worker["pid"]), worker["state"], str(worker["generation"]), _span(worker["age"]),
            str(worker["requests"]), str(worker["connections"]), f"{worker['busy']}/{worker['threads']}",
            str(worker["queued"]), f"{worker['resident'] / 2**20:.0f} MiB",
        )
        for worker in found
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        click.echo("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
