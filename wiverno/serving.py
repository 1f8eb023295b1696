"""Serve an application and block until the server ends: the calls that waitress's users know, and their common part.

`serve` takes settings as keywords and reads neither files nor environment. `serve_paste` is given the keys of a
[server:...] section as text and reads both. Signals are the engine's business: `run()` of a server returns when
a signal has ended it.
"""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from wiverno.addresses import bracket_host
from wiverno.application_process import prepare_process
from wiverno.config.environment import read_environment
from wiverno.config.settings import Adjustments
from wiverno.core.log_files import log_files_belong_to
from wiverno.core.loop.signals import gets_signals
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.ownership import future_owner
from wiverno.core.server import FOR_APPLICATION, MAIN_PROCESS, build_server, check_application, create_server
from wiverno.files import in_start_directory, started_in
from wiverno.foreign_code import guarded_logger
from wiverno.profiling import profile
from wiverno.standard_streams import reserve_descriptors
from wiverno.version import VERSION
from wiverno.workers.plan import Plan, set_log_level
from wiverno.workers.privileges import owner
from wiverno.workers.reexec import inherited_worker, this_program
from wiverno.workers.sd_notify import Notifier

# Workers, hooks, the admin listener and the metrics are imported by the starts that have them.
if TYPE_CHECKING:
    from wiverno.admin.application_metrics import ApplicationMetrics
    from wiverno.workers.hooks import ProcessHooks

__all__ = ["enable_default_logging", "prepared_metrics", "profile", "run_plan", "run_server", "serve", "serve_paste"]

logger = guarded_logger("wiverno")
_run_server_logger = guarded_logger("wiverno.core.server")

SERVING = "Serving on http://{}:{}"


def serve(app: Any, **kw: Any) -> None:
    """Serve a WSGI application until SIGINT or SIGTERM; requests in flight are finished.

    Args:
        app: the WSGI application.
        **kw: settings by name (see `Adjustments`). Three private ones are waitress's: `_server` makes the server
            in place of `create_server`, `_quiet=True` leaves logging alone and says nothing, `_profile=True`
            prints a profile at the end.

    Raises:
        ConfigError: settings that are not accepted, all of them at once; it is a ValueError.
        ValueError: the application is None, or `workers` is set and this is not the main thread.
        OSError: an address cannot be listened on.
    """
    make_server: Callable[..., Any] = kw.pop("_server", None) or create_server
    is_quiet, is_profiled = kw.pop("_quiet", False), kw.pop("_profile", False)
    if not is_quiet:
        enable_default_logging()
    if make_server is create_server and any(kw.get(name) for name in (*MAIN_PROCESS, *FOR_APPLICATION)):
        run_server(app, Adjustments.from_keywords(**kw), is_quiet=is_quiet)
        return
    server = make_server(app, **kw)
    announce = (lambda: None) if is_quiet else partial(server.print_listen, SERVING)
    if make_server is create_server:
        run = partial(server.serve, announce)
    else:
        run = server.run
        announce()
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
    from wiverno.config.loader import activate, load_section, make_section_reader
    from wiverno.config.reloading import Rereading

    loaded = load_section(global_conf or {}, kw)
    activate(loaded)
    reader = make_section_reader(global_conf or {}, kw) if loaded.adjustments.workers else None
    again = Rereading(loaded, reader) if reader else None
    source = str(loaded.path or "")
    run_server(app, loaded.adjustments, (lambda: again().adjustments) if again else None, source=source)
    return 0


def run_server(
    application: Any, adjustments: Adjustments, reread: Callable[[], Adjustments] | None = None, *,
    is_quiet: bool = False, source: str = "",
) -> float:  # fmt: skip
    """Listen, log where, and serve an application that is loaded already until a signal ends it.

    Args:
        application: the WSGI application.
        adjustments: the settings.
        reread: returns the settings as they are in the file now. A reload takes them, and re-exec gives the workers the
            code of that time. Without it a reload changes nothing.
        is_quiet: leave logging alone and do not log where the server listens.
        source: where the settings are from, for the log.

    Returns:
        As `run_plan`.

    Raises:
        OSError: an address cannot be listened on; `explain_bind_error` has words for it.
        StartFailedError: no worker could begin to serve.
    """
    check_application(application)
    if worker := inherited_worker():
        enable_default_logging()
        worker.run(application)
    plan = Plan(adjustments, lambda: application, reloads_code=False, source=source)
    configure = None
    if reread is not None:
        program = this_program()
        configure = lambda: replace(plan, adjustments=reread(), program=program)  # noqa: E731
    return run_plan(plan, configure, is_quiet=is_quiet)


def run_plan(plan: Plan, configure: Callable[[], Plan] | None = None, *, is_quiet: bool = False) -> float:
    """Serve as `plan` says, in this process or under a supervisor, until a signal ends it.

    Args:
        plan: the settings, and how to load the application.
        configure: reads the configuration again, for a reload.
        is_quiet: leave logging alone and do not log where the server listens.

    Returns:
        Monotonic seconds at which `graceful_timeout` is over, 0 if the end was forced; for `watch_end` where the
        process ends now.

    Raises:
        OSError: an address cannot be listened on; `explain_bind_error` has words for it.
        LoadFailedError: the application raised something while it was loaded.
        StartFailedError: no worker could begin to serve.
        ValueError: `workers` is set, and this is not the main thread.
    """
    if plan.adjustments.workers and not gets_signals():
        raise ValueError("workers: their supervisor needs signals, which the main thread gets; serve there, or without")
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
    announce = _announce_nothing if is_quiet else _announce
    notifier = Notifier(read_environment().variables)
    metrics = prepared_metrics(settings)
    try:
        if settings.workers:
            return _supervise(plan, configure, notifier, metrics, announce)
        stop_by = _serve_alone(plan, notifier, metrics, announce)
    finally:
        if metrics is not None:
            metrics.close()
    if not is_quiet:
        _announce_end(settings)
    return stop_by


def prepared_metrics(settings: Adjustments) -> "ApplicationMetrics | None":
    """Return the application's metrics if the settings want them; call it before the application is imported.

    Raises:
        ConfigError: the extra for metrics is missing.
        OSError: there is no such user, or the directory can't be used.
    """
    if not settings.admin_metrics_application:
        return None
    from wiverno.admin.application_metrics import application_metrics

    return application_metrics(settings, owner(settings.user, settings.group))


def _serve_alone(
    plan: Plan, notifier: Notifier, metrics: "ApplicationMetrics | None", announce: Callable[..., None]
) -> float:  # fmt: skip
    settings = plan.adjustments
    if settings.umask is not None:
        os.umask(settings.umask)
    hooks = _begin_hooks(settings) if settings.hooks else None
    server = build_server(plan.load(), settings)

    def announce_ready() -> None:
        announce(plan, server.listeners)
        if hooks is not None:
            hooks.when_ready(server.listeners)

    try:
        if notifier or any(getattr(settings, name) for name in MAIN_PROCESS):
            from wiverno.admin.application import AdminApplication
            from wiverno.workers.single_process import SingleProcess

            alone = SingleProcess(server, notifier=notifier, version=VERSION)
            admin = AdminApplication(alone, is_public=settings.admin_public, metrics=metrics, probe=alone.probe)
            alone.run(admin, announce_ready)
        else:
            server.serve(announce_ready)
    finally:
        server.close()
        if hooks is not None:
            hooks.worker_exit(server.engine.stop_by)
    return server.engine.stop_by


def _begin_hooks(settings: Adjustments) -> "ProcessHooks":
    """Call the first of the hooks of a server of one process, and return them."""
    from wiverno.workers.hooks import ProcessHooks

    hooks = ProcessHooks(settings)
    prepare_process(settings)
    hooks.post_fork()
    return hooks


def _supervise(
    plan: Plan, configure: Callable[[], Plan] | None, notifier: Notifier, metrics: "ApplicationMetrics | None",
    announce: Callable[..., None],
) -> float:  # fmt: skip
    from wiverno.admin.application import AdminApplication
    from wiverno.workers.supervisor import Supervisor

    settings = plan.adjustments
    on_gone = metrics.forget if metrics is not None else None
    supervisor = Supervisor(plan, configure, notifier=notifier, version=VERSION, on_gone=on_gone)
    try:
        admin = AdminApplication(supervisor, is_public=settings.admin_public, metrics=metrics)
        supervisor.run(admin, lambda: announce(plan, supervisor.listeners))
    finally:
        supervisor.close()
    return supervisor.stop_by


def _announce_nothing(plan: Plan, listeners: Iterable[Listener]) -> None:
    pass


def _announce(plan: Plan, listeners: Iterable[Listener]) -> None:
    """Log what serves and where it listens; in mode simple with RunServer's lines, word for word."""
    settings = plan.adjustments
    log = _run_server_logger.info
    if plan.source and settings.mode != "simple":
        logger.info("%s", describe_start(settings, plan.source))
    for listener in listeners:
        scheme = listener.scheme("https") if settings.certfile is not None else "http"
        if settings.mode == "simple" and not listener.redirects:
            log("Wiverno server started on %s://%s:%s", scheme, bracket_host(listener.host), listener.port)
        else:
            logger.info("%s", listener.announcement(scheme))
    if settings.mode == "simple":
        log("Request queue size: %s", settings.backlog)
        log("Press Ctrl+C to stop the server")


def _announce_end(settings: Adjustments) -> None:
    if settings.mode == "simple":
        _run_server_logger.info("Server stopped successfully.")
    else:
        logger.info("stopped")


def describe_start(settings: Adjustments, source: str) -> str:
    """Return the first line of a start: version, process, workers, threads, and where the settings are from."""
    most = f" to {settings.max_threads}" if settings.max_threads > settings.threads else ""
    threads = f"{settings.threads}{most} thread{'' if settings.threads == 1 and not most else 's'}"
    if settings.workers:
        threads = f"{settings.workers} worker{'' if settings.workers == 1 else 's'} with {threads}"
    return f"wiverno {VERSION}, process {os.getpid()}: {threads}, {source}"


def enable_default_logging() -> None:
    """Log "Serving on" visibly: logging without a configuration shows nothing below WARNING."""
    logging.basicConfig()
    plain = logging.getLogger("wiverno")
    if plain.level == logging.NOTSET:
        plain.setLevel(logging.INFO)
