"""Serve an application and block until it is over: the calls that waitress's users know, and what they have in common.

`serve` takes settings as keywords and reads neither files nor environment. `serve_paste` is given the keys of a
[server:...] section as text and reads both. Signals are the engine's business: `run()` of a server returns when
one has ended it.
"""

import errno
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from types import TracebackType
from typing import Any, NoReturn

from wiverno.addresses import bracket_host
from wiverno.admin.application import AdminApplication
from wiverno.admin.application_metrics import ApplicationMetrics, application_metrics
from wiverno.config.environment import environment
from wiverno.config.settings import Adjustments, ConfigError, TcpAddress, UnixAddress
from wiverno.core.log_files import log_files_belong_to
from wiverno.core.net.listeners import Listener
from wiverno.core.ownership import future_owner
from wiverno.core.server import MAIN_PROCESS, build_server, check_application, create_server
from wiverno.files import SetupError, error_text, in_start_directory, started_in
from wiverno.foreign_code import guarded_logger
from wiverno.importer import own_traceback
from wiverno.standard_streams import reserve_descriptors, say
from wiverno.workers.plan import Plan, set_log_level
from wiverno.workers.privileges import owner
from wiverno.workers.reexec import inherited_worker, this_program
from wiverno.workers.sd_notify import Notifier
from wiverno.workers.single_process import SingleProcess
from wiverno.workers.supervisor import Supervisor
from wiverno.wsgi.gateway import Application

logger = guarded_logger("wiverno")

SERVING = "Serving on http://{}:{}"
FAILED = 1  # exit status
SORT_ORDER = ("cumulative", "calls", "time")


class NotStartedError(Exception):
    """The server could not start; `str(error)` is the one line that a person needs."""


def serve(app: Any, **kw: Any) -> None:
    """Serve a WSGI application until SIGINT or SIGTERM; requests in flight are finished.

    Args:
        app: the WSGI application.
        **kw: settings by name (see `Adjustments`). Three private ones are waitress's: `_server` makes the server
            in place of `create_server`, `_quiet=True` leaves logging alone and says nothing, `_profile=True`
            prints a profile at the end.

    Raises:
        ConfigError: settings that are not accepted, all of them at once; it is a ValueError.
        ValueError: the application is None.
        OSError: an address cannot be listened on.
    """
    make_server: Callable[..., Any] = kw.pop("_server", None) or create_server
    is_quiet, is_profiled = kw.pop("_quiet", False), kw.pop("_profile", False)
    if not is_quiet:
        enable_default_logging()
    if make_server is create_server and any(kw.get(name) for name in MAIN_PROCESS):
        run_server(app, Adjustments.from_keywords(**kw), is_quiet=is_quiet)
        return
    server = make_server(app, **kw)
    say = (lambda: None) if is_quiet else partial(server.print_listen, SERVING)
    if make_server is create_server:
        run = partial(server.serve, say)
    else:
        run = server.run
        say()
    try:
        if is_profiled:
            profile("run()", globals(), {"run": run})
        else:
            run()
    finally:
        server.close()


def serve_paste(app: Any, global_conf: Mapping[str, str] | None, **kw: str) -> int:
    """Serve for a [server:...] section of PasteDeploy; each of its keys arrives as text.

    Args:
        app: the WSGI application.
        global_conf: the file's [DEFAULT] and the variables of pserve's command line.
        **kw: the section's keys.

    Returns:
        0, when a signal has ended it.

    Raises:
        ConfigError: see `serve`; each mistake is named with its line.
    """
    from wiverno.config.loader import activate, load_section, section_reader
    from wiverno.config.reloading import Rereading

    loaded = load_section(global_conf or {}, kw)
    activate(loaded)
    reader = section_reader(global_conf or {}, kw) if loaded.adjustments.workers else None
    again = Rereading(loaded, reader) if reader else None
    run_server(app, loaded.adjustments, (lambda: again().adjustments) if again else None)
    return 0


def run_server(
    application: Any, adjustments: Adjustments, reread: Callable[[], Adjustments] | None = None, *,
    is_quiet: bool = False,
) -> float:  # fmt: skip
    """Listen, say where, and serve an application that is loaded already until a signal ends it.

    Args:
        application: the WSGI application.
        adjustments: the settings.
        reread: returns the settings as they are in the file now. A reload takes them, and workers with the code as it
            is then, by running this program again. Without it a reload changes nothing.
        is_quiet: leave logging alone and do not say where the server listens.

    Returns:
        As `run_plan`.

    Raises:
        OSError: an address cannot be listened on; `explain_bind_error` has words for it.
        StartFailedError: no worker could begin to serve.
    """
    check_application(application)
    if hiring := inherited_worker():
        enable_default_logging()
        hiring.work(application)
    plan = Plan(adjustments, lambda: application, reloads_code=False)
    configure = None
    if reread is not None:
        program = this_program()
        configure = lambda: replace(plan, adjustments=reread(), program=program)  # noqa: E731
    return run_plan(plan, configure, is_quiet=is_quiet)


def run_plan(plan: Plan, configure: Callable[[], Plan] | None = None, *, is_quiet: bool = False) -> float:
    """Serve what `plan` says, in this process or under a supervisor, until a signal ends it.

    Args:
        plan: the settings, and how the application is come by.
        configure: reads the configuration anew, for a reload.
        is_quiet: leave logging alone and do not say where the server listens.

    Returns:
        Monotonic seconds at which `graceful_timeout` is over, 0 if the end was forced; for `watch_end` where the
        process ends now.

    Raises:
        OSError: an address cannot be listened on; `explain_bind_error` has words for it.
        LoadFailedError: the application raised something while it was loaded.
        StartFailedError: no worker could begin to serve.
    """
    reserve_descriptors()  # before the application opens its files
    with started_in(), log_files_belong_to(future_owner(plan.adjustments)):
        return _run_plan(plan, configure and _at_start(configure), is_quiet=is_quiet)


def _at_start(configure: Callable[[], Plan]) -> Callable[[], Plan]:
    """Return `configure` for a process in which the application may have changed the current directory."""

    def read() -> Plan:
        with in_start_directory():
            return configure()

    return read


def _run_plan(plan: Plan, configure: Callable[[], Plan] | None, *, is_quiet: bool) -> float:
    if not is_quiet:
        enable_default_logging()
    settings = plan.adjustments
    set_log_level(settings)
    say = _say_nothing if is_quiet else _announce
    notifier = Notifier(environment().variables)
    metrics = prepared_metrics(settings)
    try:
        if settings.workers:
            return _supervise(plan, configure, notifier, metrics, say)
        return _serve_alone(plan, notifier, metrics, say)
    finally:
        if metrics is not None:
            metrics.close()


def prepared_metrics(settings: Adjustments) -> ApplicationMetrics | None:
    """Return the application's metrics if the settings want them; to be called before the application is imported.

    Raises:
        ConfigError: they can't be had.
        OSError: there is no such user, or the directory can't be used.
    """
    return application_metrics(settings, owner(settings.user, settings.group))


def _serve_alone(
    plan: Plan, notifier: Notifier, metrics: ApplicationMetrics | None, say: Callable[..., None]
) -> float:  # fmt: skip
    settings = plan.adjustments
    server = build_server(plan.load(), settings)
    try:
        if notifier or any(getattr(settings, name) for name in MAIN_PROCESS):
            alone = SingleProcess(server, notifier=notifier, version=version("wiverno"))
            admin = AdminApplication(alone, is_public=settings.admin_public, metrics=metrics, probe=alone.probe)
            alone.run(admin, lambda: say(settings, server.listeners))
        else:
            server.serve(lambda: say(settings, server.listeners))
    finally:
        server.close()
    return server.engine.stop_by


def _supervise(
    plan: Plan, configure: Callable[[], Plan] | None, notifier: Notifier, metrics: ApplicationMetrics | None,
    say: Callable[..., None],
) -> float:  # fmt: skip
    settings = plan.adjustments
    on_gone = metrics.forget if metrics is not None else None
    supervisor = Supervisor(plan, configure, notifier=notifier, version=version("wiverno"), on_gone=on_gone)
    try:
        admin = AdminApplication(supervisor, is_public=settings.admin_public, metrics=metrics)
        supervisor.run(admin, lambda: say(settings, supervisor.listeners))
    finally:
        supervisor.close()
    return supervisor.stop_by


def _say_nothing(settings: Adjustments, listeners: Iterable[Listener]) -> None:
    pass


def _announce(settings: Adjustments, listeners: Iterable[Listener]) -> None:
    """Say where the server listens; in mode simple what RunServer says, word for word."""
    log = guarded_logger("wiverno.core.server").info
    for listener in listeners:
        scheme = "https" if settings.certfile is not None and not listener.is_unix else "http"
        if settings.mode == "simple":
            log("Wiverno server started on %s://%s:%s", scheme, bracket_host(listener.host), listener.port)
        else:
            logger.info("Serving on %s", listener if listener.is_unix else f"{scheme}://{listener}")
    if settings.mode == "simple":
        log("Request queue size: %s", settings.backlog)
        log("Press Ctrl+C to stop the server")


def enable_default_logging() -> None:
    """Make "Serving on" visible: plain logging shows nothing below WARNING, and waitress is silent for that reason."""
    logging.basicConfig()
    plain = logging.getLogger("wiverno")
    if plain.level == logging.NOTSET:
        plain.setLevel(logging.INFO)


def explain_bind_error(error: OSError, adjustments: Adjustments) -> str:
    """Return one line that says what could not be opened or listened on, and what to do about it."""
    if isinstance(error, SetupError):
        return error_text(error)
    if error.filename is not None:  # no socket's address is told there
        return f"cannot start: {error_text(error)}: {error.filename}"
    why = f"cannot listen: {error_text(error)}"
    has_path = any(isinstance(address, UnixAddress) for address in adjustments.addresses)
    ports = [address.port for address in adjustments.addresses if isinstance(address, TcpAddress)]
    match error.errno:
        case errno.EADDRINUSE if ports:
            return f"{why}; stop the program that has it (lsof -i :{ports[0]} shows it), or choose another port"
        case errno.EADDRINUSE:
            return f"{why}; stop that server, or choose another path"
        case errno.EACCES | errno.EPERM if any(0 < port < 1024 for port in ports):
            return f"{why}; ports below 1024 need privileges: choose one from 1024, or give CAP_NET_BIND_SERVICE"
        case errno.EADDRNOTAVAIL:
            return f"{why}; no interface of this machine has that address: 127.0.0.1 is itself, * is all of them"
        case errno.EEXIST:
            return f"{why}; choose another path, or remove it if it is not needed"
        case errno.ENOENT | errno.EACCES | errno.EPERM | errno.ENOTDIR if has_path:
            return f"{why}; the socket's directory must exist and be writable by this user"
    return why


def load_named(name: str, load: Callable[[], Application]) -> Application:
    """Return the application; what it raises is shown with its own lines alone, if that ends the process.

    Args:
        name: the application's, as it was asked for.
        load: imports or makes it.
    """
    try:
        return load()
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        text = f"the application {name} failed to load:\n{own_traceback(error)}"
        hiring = inherited_worker()
        if isinstance(error, SystemExit):
            if hiring:
                hiring.failed(text)
            else:
                say(f"error: {text}")
            raise SystemExit(FAILED) from None
        if not hiring:
            _show_instead(error, f"error: {text}")
        raise


def _show_instead(error: BaseException, text: str) -> None:
    """Have the process end with `text` if `error` ends it."""
    earlier = sys.excepthook

    def hook(kind: type[BaseException], shown: BaseException, trace: TracebackType | None) -> None:
        if shown is error:
            say(text)
        else:
            earlier(kind, shown, trace)

    sys.excepthook = hook


def exit_with_error(message: str) -> NoReturn:
    """End the process with status 1 and one line, under pserve too.

    pserve swallows SystemExit from a running server and would end with status 0. An exception arrives; the hook
    keeps its traceback, which says nothing about the mistake, off the screen.
    """
    error = NotStartedError(message)
    _show_instead(error, f"error: {message}")
    raise error from None


def profile(
    cmd: str,
    globals: dict[str, Any],
    locals: Mapping[str, Any],
    sort_order: tuple[str, ...] | None = None,
    callers: bool = False,
) -> None:
    """Run a command under the profiler and print what its own thread spent its time on.

    Args:
        cmd: a Python statement.
        globals: global names for it.
        locals: local names for it.
        sort_order: keys of pstats, the first counts most; without it cumulative, calls, time.
        callers: print who called each function instead of its times.
    """
    import cProfile
    import pstats

    profiler = cProfile.Profile()
    try:
        # What the statement assigns is seen by the caller where locals are a real namespace, as in the profile module.
        profiler.runctx(cmd, globals, locals if isinstance(locals, dict) else dict(locals))
    except SystemExit:
        pass
    statistics = pstats.Stats(profiler, stream=sys.stdout).strip_dirs().sort_stats(*(sort_order or SORT_ORDER))
    # The upper third: below it stands what takes no time.
    (statistics.print_callers if callers else statistics.print_stats)(0.3)
