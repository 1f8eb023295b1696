"""Programs that run waitress, with wiverno in its place and the real frameworks and libraries installed."""

import gc
import inspect
import logging
import signal
import threading
import types
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import bottle
import pytest
import webtest.http

from tests.support.dropin import ask, hello
from tests.support.processes import ROOT, Child, script
from tests.support.sockets import LOOPBACK, in_url
from tests.support.waiting import PATIENCE, wait_until
from wiverno import create_server, serve

DATA = ROOT / "tests" / "data" / "dropin"


def get(child: Child, path: str = "/", **headers: str) -> tuple[str, dict[str, str]]:
    """Fetch a page of a child program."""
    host, port = child.address()
    asked = urllib.request.Request(f"http://{in_url(host)}:{port}{path}", headers=headers)
    with urllib.request.urlopen(asked, timeout=PATIENCE) as response:
        return response.read().decode(), dict(response.headers)


def program(*arguments: str) -> Child:
    """Start a program of the environment in the folder of the applications."""
    return Child([script(arguments[0]), *arguments[1:]], cwd=DATA, env={"PYTHONPATH": str(DATA)})


# ---------------------------------------------------------------- INI files


def test_pyramid_cookiecutter() -> None:
    """pserve development.ini with `use = egg:wiverno#main` where `egg:waitress#main` was."""
    with program("pserve", "development.ini") as child:
        body, headers = get(child)
        assert '"project": "cookiecutter"' in body
        assert headers["Server"] == "wiverno"
        assert "[wiverno:" in child.output, "the file's own logging says where it serves"
        assert child.stop(signal.SIGTERM) == 0


def test_pyramid_cookiecutter_on_wiverno_run() -> None:
    """The same file without pserve."""
    with program("wiverno", "run", "--config", "development.ini") as child:
        assert '"project": "cookiecutter"' in get(child)[0]
        assert child.stop(signal.SIGINT) == 0


def test_plone_style() -> None:
    """A pipeline, several addresses over several lines, and waitress's settings as text."""
    with program("pserve", "plone.ini") as child:
        body, headers = get(child, **{"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"})
        assert '"project": "plone"' in body
        assert '"REMOTE_ADDR": "192.0.2.7"' in body
        assert '"wsgi.url_scheme": "https"' in body
        assert headers["X-Filtered"] == "yes"
        wait_until(lambda: child.output.count("Serving on http://") >= 2)
        assert child.stop(signal.SIGTERM) == 0


def test_plone_style_behind_a_prefix() -> None:
    """host and port, url_scheme, url_prefix, a limit of the body, and no Server header."""
    with program("pserve", "plone.ini", "--server-name", "old") as child:
        body, headers = get(child, "/site/")
        assert '"SCRIPT_NAME": "/site"' in body
        assert '"wsgi.url_scheme": "https"' in body
        assert "Server" not in headers
        host, port = child.address()
        with pytest.raises(urllib.error.HTTPError, match="413") as refused:
            urllib.request.urlopen(f"http://{in_url(host)}:{port}/site/upload", data=b"x" * 1000, timeout=PATIENCE)
        refused.value.close()


def test_paste_server_runner() -> None:
    """serve_paste named as `paste.server_runner`."""
    with program("pserve", "plone.ini", "--server-name", "runner") as child:
        assert '"project": "plone"' in get(child)[0]
        assert child.stop(signal.SIGTERM) == 0


# ---------------------------------------------------------------- waitress-serve's command lines


@pytest.mark.parametrize(
    ("arguments", "greeting"),
    [
        (["--port=0", "--host=127.0.0.1", "--call", "flaskr:create_app"], "Hello, Flask!"),
        (["--host", "127.0.0.1", "--port", "0", "flaskr:app"], "Hello, Flask!"),
        (["--listen=127.0.0.1:0", "--threads=2", "--no-expose-tracebacks", "proj.wsgi:application"], "Hello, Django!"),
    ],
    ids=["Flask's factory", "Flask", "Django"],
)
def test_documented_deployments(arguments: list[str], greeting: str) -> None:
    """What Flask's and Django's users are told to run, with `wiverno serve` for `waitress-serve`."""
    with program("wiverno", "serve", *arguments) as child:
        assert get(child)[0] == greeting
        assert child.stop(signal.SIGTERM) == 0


def test_django_script() -> None:
    """`serve(application, listen="*:8080")` in a script of a Django project."""
    start = "import runpy; runpy.run_path('serve_django.py', run_name='__main__')"
    with Child(["-c", start], cwd=DATA, env={"PYTHONPATH": str(DATA)}) as child:
        assert get(child)[0] == "Hello, Django!"
        assert child.stop(signal.SIGINT) == 0


# ---------------------------------------------------------------- libraries


@pytest.fixture
def _logger_level() -> Iterator[None]:
    """webtest silences the server's logger when it shuts down."""
    logger = logging.getLogger("wiverno")
    level = logger.level
    yield
    logger.setLevel(level)


# webtest leaves the connections of its own check to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.usefixtures("_logger_level")
def test_webtest() -> None:
    """webtest's own module, with the word waitress replaced: create, wait, ask, shut down."""
    module = types.ModuleType("webtest_http")
    exec(inspect.getsource(webtest.http).replace("waitress", "wiverno"), vars(module))
    threads = threading.active_count()
    server = module.StopableWSGIServer.create(hello)
    assert server.wait()
    with urllib.request.urlopen(server.application_url, timeout=PATIENCE) as response:
        assert response.read() == b"hello"
    with urllib.request.urlopen(f"{server.application_url}__application__", timeout=PATIENCE) as response:
        assert response.read() == b"server started"
    assert server.shutdown() is True
    server.runner.join(PATIENCE)
    assert not server.runner.is_alive()
    wait_until(lambda: threading.active_count() <= threads)
    assert server.shutdown() is True, "twice does no harm"
    gc.collect()
    with pytest.raises(ConnectionRefusedError):
        ask((server.adj.host, server.adj.port))


@pytest.mark.usefixtures("_logger_level")
def test_webtest_in_use() -> None:
    """A test case that starts and stops a new server for each test, ten times over."""
    module = types.ModuleType("webtest_http")
    exec(inspect.getsource(webtest.http).replace("waitress", "wiverno"), vars(module))
    for _ in range(10):
        server = module.StopableWSGIServer.create(hello, threads=1)
        assert ask((server.adj.host, server.adj.port))[2] == b"hello"
        server.shutdown()
        server.runner.join(PATIENCE)
        assert not server.runner.is_alive()


@contextmanager
def served_in_a_thread(run: Callable[..., Any], *args: Any, **options: Any) -> Iterator[tuple[str, int]]:
    """Have a function that calls serve() do so in a thread for the length of the block; give the address."""
    made: list[Any] = []

    def make_server(*args: Any, **settings: Any) -> Any:
        made.append(create_server(*args, **settings))
        return made[0]

    thread = threading.Thread(target=run, args=args, kwargs={**options, "_server": make_server}, daemon=True)
    thread.start()
    (server,) = wait_until(lambda: made, what="the server")
    try:
        yield server.effective_host, server.effective_port
        assert thread.is_alive()
    finally:
        server.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_bottle_adapter() -> None:
    """bottle's adapter, with the word waitress replaced, serves."""
    source = inspect.getsource(bottle.WaitressServer).replace("waitress", "wiverno")
    namespace: dict[str, Any] = {"ServerAdapter": bottle.ServerAdapter}
    exec(source, namespace)

    def run(**options: Any) -> None:
        adapter = namespace["WaitressServer"](host=LOOPBACK, port=0, threads=2, **options)
        adapter.quiet = True
        adapter.run(hello)

    with served_in_a_thread(run) as address:
        assert ask(address)[2] == b"hello"


def test_serve_in_a_thread() -> None:
    """`threading.Thread(target=serve, …)`, as libraries do for their callbacks; nothing touches the main thread."""
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with served_in_a_thread(serve, hello, host=LOOPBACK, port=0, _quiet=True) as address:
        assert ask(address)[2] == b"hello"
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


PROFILED = """
from tests.support.dropin import hello
from wiverno import create_server, serve
serve(hello, listen="127.0.0.1:0", _profile=True)
print("served", flush=True)
"""


def test_profile_of_a_server() -> None:
    """serve(…, _profile=True) serves as ever, and prints a profile of its main thread when a signal has ended it."""
    with Child(["-c", PROFILED], cwd=ROOT) as child:
        assert ask(child.address())[2] == b"hello"
        assert child.stop(signal.SIGINT) == 0
        assert "Ordered by: cumulative time, call count, internal time" in child.output
        assert "server.py" in child.output
        assert child.output.endswith("served\n")


def test_import_path() -> None:
    """`from wiverno.server import …` has every name that `from waitress.server import …` has."""
    import wiverno.core.server
    import wiverno.server

    for name in wiverno.server.__all__:
        assert getattr(wiverno.server, name) is getattr(wiverno.core.server, name)
