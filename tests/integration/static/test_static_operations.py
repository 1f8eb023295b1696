"""Files of mounts beside an application that is busy, a disk that blocks, files that change, reloads and records."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.h2_client import h2_client
from tests.support.processes import Child, run, script
from tests.support.serving import Served, serving
from tests.support.sockets import RawClient
from tests.support.static_sites import CSS, LARGE, leased, make_site
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import reload, service, wait_for_workers


class Application:
    """Holds every request of /held until told to go on; says which thread answers the others."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.held = threading.Semaphore(0)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith("/held"):
            self.held.release()
            assert self.go_on.wait(PATIENCE * 2)
        body = threading.current_thread().name.encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """The directory that is served."""
    return make_site(tmp_path)


def ask(client: RawClient, target: str, fields: str = "") -> None:
    client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())


def get(client: RawClient, target: str, fields: str = "") -> tuple[int, bytes]:
    ask(client, target, fields)
    status, _, body = client.response()
    return status, body


@pytest.fixture
def application() -> Iterator[Application]:
    """It goes on at the end, whatever happens."""
    made = Application()
    yield made
    made.go_on.set()


def test_files_need_none_of_the_applications_threads(public: Path, application: Application) -> None:
    """Every thread is held up, a further request waits for one; files are answered meanwhile."""
    with serving(application, static=f"/s={public}", threads=2) as served:
        waiting = [served.client() for _ in range(3)]
        for client in waiting:
            ask(client, "/held")
        for _ in range(2):
            assert application.held.acquire(timeout=PATIENCE)
        with served.client() as client:
            for _ in range(3):
                assert get(client, "/s/css/site.css") == (200, CSS)
                assert get(client, "/s/large.bin") == (200, LARGE)
                assert get(client, "/s/nothing")[0] == 404
            assert not application.held.acquire(blocking=False)
        application.go_on.set()
        for client in waiting:
            assert client.response()[0] == 200
            client.close()


def test_a_fallback_while_every_thread_is_held_up(public: Path, application: Application) -> None:
    """Known files are answered; what is none waits for a thread of the application."""
    with serving(application, static=f"/={public} fallback=true", threads=2) as served:
        with served.client() as client:
            assert get(client, "/css/site.css") == (200, CSS)
        waiting = [served.client() for _ in range(3)]
        for client in waiting[:2]:
            ask(client, "/held")
            assert application.held.acquire(timeout=PATIENCE)
        ask(waiting[2], "/some/page")
        with served.client() as client:
            assert get(client, "/css/site.css") == (200, CSS)
        application.go_on.set()
        for client in waiting:
            assert client.response()[2].startswith(b"wiverno-")
            client.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="leases are Linux's")
def test_a_disk_that_blocks(public: Path, application: Application) -> None:
    """The lead changes hands, the application goes on, and so do other files."""
    with serving(application, static=f"/s={public}", threads=2) as served, served.client() as other:
        assert get(other, "/s/large.bin") == (200, LARGE)
        with leased(public / "css" / "site.css") as lease, served.client() as blocked:
            ask(blocked, "/s/css/site.css")
            lease.wait_wanted()
            for _ in range(20):
                assert get(other, "/x")[0] == 200
                assert get(other, "/s/large.bin") == (200, LARGE)
            more = [served.client() for _ in range(3)]
            for client in more:
                ask(client, "/s/css/site.css")
            for _ in range(20):
                assert get(other, "/x")[0] == 200
                assert get(other, "/s/app.9e1ea19b16d1.js") == (200, b"js")
            lease.release()
            for client in (blocked, *more):
                assert client.response()[::2] == (200, CSS)
                client.close()


def test_a_file_that_is_cut_while_it_is_sent(public: Path, application: Application) -> None:
    """The connection breaks, because the length was told; nothing else does."""
    with serving(application, static=f"/s={public}", threads=2) as served, served.client() as other:
        with served.client() as client:
            ask(client, "/s/large.bin")
            assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
            with (public / "large.bin").open("r+b") as file:
                file.truncate(10)
            with pytest.raises((EOFError, ConnectionError)):
                client.exactly(len(LARGE))
        assert get(other, "/s/css/site.css") == (200, CSS)
        assert get(other, "/s/large.bin") == (200, LARGE[:10])


def test_a_file_that_is_cut_breaks_its_stream_alone(public: Path, application: Application) -> None:
    """In HTTP/2 the stream is reset; the connection and its other streams go on."""
    settings: dict[str, Any] = {"http2": True, "trusted_proxies": "127.0.0.1", "threads": 2}
    with (
        serving(application, static=f"/s={public}", **settings) as served,
        h2_client(served.address, acknowledges=False) as client,
    ):
        stream = client.request("/s/large.bin")
        while len(client.answers[stream].body) < 65535:  # the window is used up
            client.receive()
        with (public / "large.bin").open("r+b") as file:
            file.truncate(10)
        client.state.increment_flow_control_window(10_000_000)
        client.state.increment_flow_control_window(10_000_000, stream)
        client.flush()
        (answer,) = client.wait(stream)
        assert (answer.is_complete, answer.reset is None, client.is_closed) == (False, False, False)
        assert bytes(client.fetch("/s/css/site.css").body) == CSS


@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_a_file_that_is_gone_while_it_is_sent(public: Path, application: Application, change: str) -> None:
    """The response is the file that was opened; the next one sees the change."""
    with serving(application, static=f"/s={public}", threads=2) as served:
        with served.client() as client:
            ask(client, "/s/large.bin")
            client.until(b"\r\n\r\n")
            if change == "removed":
                (public / "large.bin").unlink()
            else:
                (public / "new.bin").write_bytes(b"new")
                (public / "new.bin").replace(public / "large.bin")
            assert client.exactly(len(LARGE)) == LARGE
            found = get(client, "/s/large.bin")
        assert found == (200, b"new") if change == "replaced" else found[0] == 404


def test_every_change_is_seen(public: Path, application: Application) -> None:
    """Each answer is a version that the file had, the last answer the last version."""
    with serving(application, static=f"/s={public}", threads=2) as served, served.client() as client:
        file = public / "counter.txt"
        for number in range(200):
            file.write_text(f"{number:05}")
            assert get(client, "/s/counter.txt") == (200, b"%05d" % number)


def test_a_link_that_is_turned(tmp_path: Path, application: Application) -> None:
    """A deployment points the directory's link to the next release: its files are served at once."""
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "x.txt").write_text(release)
    (tmp_path / "current").symlink_to("one")
    with serving(application, static=f"/s={tmp_path / 'current'}", threads=2) as served, served.client() as client:
        assert get(client, "/s/x.txt") == (200, b"one")
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(tmp_path / "current")
        assert get(client, "/s/x.txt") == (200, b"two")


def test_records_of_files(tmp_path: Path, public: Path) -> None:
    """The access log and /metrics have them as every other response; a reload takes changed mounts."""
    mounts = f'workers = 1\naccess_log = "{tmp_path}/access.log"\n[[static]]\npath = "/s"\ndirectory = "public"\n'
    with service(tmp_path, settings=mounts) as served:
        wait_for_workers(served, 1)
        assert served.get("/s/css/site.css") == (200, CSS)
        assert served.get("/s/nothing")[0] == 404
        assert served.get("/media/css/site.css")[0] == 200  # the application's
        pattern = r'"GET /s/css/site\.css HTTP/1\.1" 200 21(.*\n)+.*"GET /s/nothing HTTP/1\.1" 404'
        wait_until(lambda: re.search(pattern, (tmp_path / "access.log").read_text()))
        wait_until(lambda: re.search(rb'class="4xx"} 1', served.admin("/metrics")[1]), what="metrics")
        text = (tmp_path / "wiverno.toml").read_text()
        served.write("wiverno.toml", text.replace('path = "/s"', 'path = "/media"'))
        reload(served, 1)
        assert served.get("/media/css/site.css") == (200, CSS)
        assert served.get("/s/css/site.css")[0] == 200  # the application's
        served.write("wiverno.toml", text.replace('"public"', '"nowhere"'))
        served.child.send(signal.SIGHUP)
        served.child.wait_for(r"wiverno\.toml:\d+: static: /s: there is no directory \S*nowhere")
        assert served.get("/media/css/site.css") == (200, CSS)


INI = """
[app:main]
use = egg:wiverno
app = shop:app

[server:main]
use = egg:wiverno
host = 127.0.0.1
port = 0
static.files = /s=public
static.files.index = index.html
static.all = /=%(here)s/public
static.all.fallback = true
"""


@pytest.mark.parametrize("command", ["run", "pserve"])
def test_an_ini_file(tmp_path: Path, public: Path, command: str) -> None:
    """Named keys; a relative directory starts from the file's place, not from where the server is started."""
    config = tmp_path / "site.ini"
    config.write_text(INI)
    (tmp_path / "shop.py").write_text(
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'the application']\n"
    )
    line = [script("wiverno"), "run", "--config", str(config)] if command == "run" else [script("pserve"), str(config)]
    with Child(line, cwd="/", env={"PYTHONPATH": str(tmp_path)}) as child, RawClient(child.address()) as client:
        assert get(client, "/s/") == (200, b"<h1>home</h1>")
        assert get(client, "/css/site.css") == (200, CSS)
        assert get(client, "/page") == (200, b"the application")
        assert get(client, "/s/page")[0] == 404
        assert child.stop() == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('path = "/s"\ndirectory = "nowhere"', "wiverno.toml:5: static: /s: there is no directory nowhere"),
        ('path = "/s"\ndirectory = "secret.txt"', "wiverno.toml:5: static: /s: secret.txt is no directory"),
        ('path = "s"\ndirectory = "public"', "wiverno.toml:4: static: path: expected a path that begins with a slash"),
        ('path = "/s"', "wiverno.toml:3: static: a mount needs a directory"),
        ('path = "/s"\ndirectory = "public"\nfallbak = true', 'wiverno.toml:6: static: "fallbak" is no key of a mount'),
        (
            'path = "/s"\ndirectory = "public"\n[[static]]\npath = "/s/"\ndirectory = "public"',
            "wiverno.toml:7: static: /s is mounted twice",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_located(tmp_path: Path, public: Path, text: str, words: str) -> None:
    """`wiverno config check` says where, what was found, and what is accepted."""
    (tmp_path / "wiverno.toml").write_text(f'[app]\nuse = "shop:app"\n[[static]]\n{text}\n')
    ended = run([script("wiverno"), "config", "check", "wiverno.toml"], cwd=tmp_path)
    assert ended.returncode == 2
    assert words in ended.stderr


def test_a_served_address(public: Path, application: Application) -> None:
    """A server of one thread serves files too."""
    with serving(application, static=f"/s={public}", threads=1) as served:
        assert isinstance(served, Served)
        with served.client() as client:
            assert get(client, "/s/large.bin") == (200, LARGE)
