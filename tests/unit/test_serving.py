"""serve, serve_paste and profile without a process around them."""

import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from wiverno import serving
from wiverno.admin.application import AdminApplication
from wiverno.config.errors import ConfigError
from wiverno.config.settings import Adjustments
from wiverno.core.net.listener_kinds import Listener
from wiverno.serving import run_plan, run_server, serve, serve_paste
from wiverno.workers.plan import LoadFailedError, Plan


class Recorder:
    """Stands where create_server stands, through serve's own `_server` keyword, and writes down what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []

    def __call__(self, app: object, **kw: object) -> "Recorder":
        self.calls.append(("made", kw))
        return self

    def print_listen(self, words: str) -> None:
        self.calls.append(("said", words))

    def run(self) -> None:
        self.calls.append(("ran", None))

    def close(self) -> None:
        self.calls.append(("closed", None))


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    return []


def test_order() -> None:
    """serve makes the server with the keywords that are left, says where it listens, runs it and closes it."""
    server = Recorder()
    serve(app, _server=server, port=0, threads=2)
    assert server.calls == [
        ("made", {"port": 0, "threads": 2}),
        ("said", "Serving on http://{}:{}"),
        ("ran", None),
        ("closed", None),
    ]


def test_quiet() -> None:
    """_quiet=True says nothing and leaves logging alone."""
    logger = logging.getLogger("wiverno")
    before, handlers = logger.level, list(logging.getLogger().handlers)
    server = Recorder()
    serve(app, _server=server, _quiet=True)
    assert [name for name, _ in server.calls] == ["made", "ran", "closed"]
    assert logger.level == before
    assert logging.getLogger().handlers == handlers


def test_serving_is_logged() -> None:
    """Without _quiet the logger has level INFO unless the program has chosen one."""
    logger = logging.getLogger("wiverno")
    before = logger.level
    try:
        logger.setLevel(logging.NOTSET)
        serve(app, _server=Recorder())
        assert logger.level == logging.INFO
        logger.setLevel(logging.ERROR)
        serve(app, _server=Recorder())
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(before)


def test_profiled(capsys: pytest.CaptureFixture[str]) -> None:
    """_profile=True prints a profile when the server has ended."""
    server = Recorder()
    serve(app, _server=server, _quiet=True, _profile=True)
    assert ("ran", None) in server.calls
    assert "function calls" in capsys.readouterr().out


@pytest.mark.parametrize("application", [None, 17])
def test_no_application(application: object) -> None:
    """What is no application is a ValueError before anything is bound."""
    with pytest.raises(ValueError, match="application is"):
        serve(application, _quiet=True, port=0)


def test_workers_outside_the_main_thread() -> None:
    """Nothing is bound and no process is started: a supervisor there would get no signal."""
    with ThreadPoolExecutor() as pool:
        ended = pool.submit(serve, print, listen="127.0.0.1:0", workers=1, _quiet=True)
        with pytest.raises(ValueError, match=r"^workers: their supervisor needs signals, .*; serve there, or without$"):
            ended.result(10)


def test_mistakes() -> None:
    """Keywords that are wrong are one ValueError with all of them."""
    with pytest.raises(ValueError) as caught:
        serve(app, _quiet=True, prot=1, port=99999)
    assert "prot: unknown setting" in str(caught.value)
    assert "port: must be at most 65535" in str(caught.value)


def test_paste_mistakes(tmp_path: Path) -> None:
    """serve_paste locates the mistakes of its section in the file."""
    file = tmp_path / "site.ini"
    file.write_text("[server:main]\nuse = egg:wiverno#main\nprot = 1\nthreads = x\n")
    with pytest.raises(ConfigError) as caught:
        serve_paste(app, {"__file__": str(file), "here": str(tmp_path)}, prot="1", threads="x")
    assert f"{file}:3: prot: unknown setting" in str(caught.value)
    assert f"{file}:4: threads: expected a whole number" in str(caught.value)


class Server:
    """Stands where a server stands that wiverno has made: it ends at once."""

    def __init__(self, application: object, adjustments: Adjustments) -> None:
        self.application = application
        self.listeners = [Listener(socket.socket(), "::1", 8001)]
        self.engine = SimpleNamespace(stop_by=12.5)
        self.closed = 0

    def serve(self, announce: Callable[[], None]) -> None:
        announce()

    def close(self) -> None:
        self.closed += 1
        for listener in self.listeners:
            listener.close()


class Alone(Server):
    """Stands where SingleProcess or Supervisor stands: it is given an admin application."""

    made: ClassVar[list["Alone"]] = []

    def __init__(self, served: Any, *more: object, **options: Any) -> None:
        super().__init__(served, Adjustments.from_keywords())
        self.options = options
        self.stop_by = 7.5
        self.admin: object = None
        self.made.append(self)

    def probe(self) -> bool:
        return True

    def run(self, admin: object, announce: Callable[[], None]) -> None:
        self.admin = admin
        announce()


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[Server]:
    """What was made in place of servers; the environment has no service manager."""
    caplog.set_level("INFO")
    found: list[Server] = []

    def build(application: object, adjustments: Adjustments) -> Server:
        found.append(Server(application, adjustments))
        return found[-1]

    monkeypatch.setattr(serving, "build_server", build)
    monkeypatch.setattr("wiverno.workers.single_process.SingleProcess", Alone)
    monkeypatch.setattr("wiverno.workers.supervisor.Supervisor", Alone)
    monkeypatch.setattr(Alone, "made", [])
    monkeypatch.setattr(serving, "set_log_level", lambda settings: None)
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    return found


def plan(**settings: Any) -> Plan:
    return Plan(Adjustments.from_keywords(**settings), lambda: app)


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({}, ["Serving on http://[::1]:8001", "stopped"]),
        (
            {"mode": "simple", "backlog": 9},
            [
                "Wiverno server started on http://[::1]:8001", "Request queue size: 9",
                "Press Ctrl+C to stop the server", "Server stopped successfully.",
            ],
        ),
    ],
)  # fmt: skip
def test_one_process_says_where_it_listens(
    servers: list[Server], settings: dict[str, Any], lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """In mode simple with RunServer's lines; it returns when the end must be over, and has closed the server."""
    assert run_plan(plan(**settings)) == 12.5
    assert [record.getMessage() for record in caplog.records] == lines
    assert (servers[0].application, servers[0].closed) == (app, 1)
    caplog.clear()
    run_plan(plan(**settings), is_quiet=True)
    assert not caplog.records


@pytest.mark.parametrize(
    ("settings", "last"),
    [({"admin_listen": "127.0.0.1:0"}, ["stopped"]), ({"workers": 2}, [])],  # a supervisor says it itself
)
def test_a_service_that_is_observed_has_an_admin_application(
    servers: list[Server], settings: dict[str, Any], last: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """With an admin address in one process, and under a supervisor."""
    assert run_plan(plan(**settings)) in (7.5, 12.5)
    (alone,) = Alone.made
    assert isinstance(alone.admin, AdminApplication)
    assert [record.getMessage() for record in caplog.records] == ["Serving on http://[::1]:8001", *last]
    for server in (*servers, alone):
        server.close()


def test_the_configuration_is_read_again_in_the_directory_of_the_start(
    servers: list[Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application may have changed the current directory."""
    seen: list[Path] = []
    configures: list[Callable[[], Plan]] = []

    def configure() -> Plan:
        seen.append(Path.cwd())
        return plan(workers=2)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))

    class Admin(Alone):
        def run(self, admin: object, announce: Callable[[], None]) -> None:
            os.chdir("/")
            configures[0]()

    def supervise(plan: Plan, configure: Callable[[], Plan], **more: Any) -> Alone:
        configures.append(configure)
        return Admin(plan)

    monkeypatch.setattr("wiverno.workers.supervisor.Supervisor", supervise)
    run_plan(plan(workers=2), configure)
    assert seen == [tmp_path]


def test_metrics_of_the_application_are_closed_at_the_end(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the server could not be started."""
    closed: list[int] = []
    metrics = SimpleNamespace(close=lambda: closed.append(1), forget=lambda pid: None)
    monkeypatch.setattr(serving, "prepared_metrics", lambda settings: metrics)
    run_plan(plan())

    def fail(application: object, adjustments: Adjustments) -> Server:
        raise OSError("in use")

    monkeypatch.setattr(serving, "build_server", fail)
    with pytest.raises(OSError, match="in use"):
        run_plan(plan())
    assert closed == [1, 1]


@pytest.mark.parametrize("is_reread", [True, False])
def test_a_loaded_application_is_served_as_it_is(
    servers: list[Server], is_reread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload gives workers new settings, and by re-exec the code of that time, if the settings can be read again."""
    made: list[tuple[Plan, Callable[[], Plan] | None]] = []

    def run(plan: Plan, configure: Callable[[], Plan] | None, **more: Any) -> float:
        made.append((plan, configure))
        return 3.5

    monkeypatch.setattr(serving, "run_plan", run)
    changed = Adjustments.from_keywords(threads=9)
    assert run_server(app, plan().adjustments, (lambda: changed) if is_reread else None) == 3.5
    ((first, configure),) = made
    assert first.load() is app
    assert not first.reloads_code
    assert (configure is not None) == is_reread
    if configure is not None:
        assert configure().adjustments is changed


def test_settings_of_a_whole_process_get_one(servers: list[Server], monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve` with workers runs a supervisor, where create_server refuses them."""
    seen: list[tuple[object, int]] = []
    monkeypatch.setattr(
        serving, "run_server", lambda app, adjustments, is_quiet: seen.append((app, adjustments.workers))
    )
    serve(app, _quiet=True, workers=2)
    assert seen == [(app, 2)]


def test_a_section_of_paste_is_served(servers: list[Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With workers its settings are read again for a reload."""
    seen: list[tuple[int, object]] = []
    monkeypatch.setattr(
        serving,
        "run_server",
        lambda app, settings, reread, source: seen.append((settings.threads, reread and reread().threads)),
    )
    file = tmp_path / "site.ini"
    known = {"__file__": str(file), "here": str(tmp_path)}
    for workers in ("0", "2"):
        file.write_text(f"[server:main]\nuse = egg:wiverno#main\nport = 8001\nthreads = 3\nworkers = {workers}\n")
        assert serve_paste(app, known, port="8001", threads="3", workers=workers) == 0
    assert seen == [(3, None), (3, 3)]


def test_the_umask_holds_while_the_application_is_loaded() -> None:
    """What the application creates when it is imported has the same permissions in one process as in a worker."""
    before = os.umask(0o022)
    seen = []

    def load() -> Any:
        umask = os.umask(0o077)
        os.umask(umask)
        seen.append(umask)
        raise RuntimeError

    try:
        with pytest.raises(LoadFailedError):
            run_plan(Plan(Adjustments.from_keywords(umask="027", port=0), load), is_quiet=True)
    finally:
        os.umask(before)
    assert seen == [0o027]
