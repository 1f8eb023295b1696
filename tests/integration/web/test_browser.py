"""A real browser opens the demonstration, a debug page made to attack it, and a page that reloads itself."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import urllib.parse
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT, Child, run
from tests.support.programs import program
from tests.support.serving import serving
from tests.support.sockets import RawClient, in_url
from tests.support.waiting import PATIENCE, wait_until
from tests.support.workers import ask, service
from wiverno import Request, Wiverno
from wiverno.demo import create_app


def browser(folder: Path, *options: str) -> list[str]:
    return [
        program("chromium", "chromium-browser", "google-chrome"),
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", *options,
    ]  # fmt: skip


def opened(folder: Path, url: str) -> tuple[str, str]:
    """Return the document after its scripts had their chance, and what the browser's console says."""
    ended = run(browser(folder, "--virtual-time-budget=2000", "--dump-dom", url), deadline=60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, "\n".join(line for line in ended.stderr.splitlines() if "CONSOLE" in line)


def test_the_demonstration(tmp_path: Path) -> None:
    with serving(create_app(title="Hello & welcome")) as served:
        document, console = opened(tmp_path, f"http://127.0.0.1:{served.address[1]}/")
    assert "<title>Hello &amp; welcome</title>" in document
    assert "What serves this page" in document
    assert console == ""


def test_the_debug_page_runs_nothing(tmp_path: Path) -> None:
    """Markup in the path, the query and the exception stays text; the policy forbids whatever would not."""
    attack = "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
    app = Wiverno(debug=True)

    @app.get("/{x:path}")
    def boom(request: Request) -> str:
        raise RuntimeError(attack)

    with serving(app) as served:
        quoted = urllib.parse.quote(attack, safe="")
        url = f"http://127.0.0.1:{served.address[1]}/{quoted}?a={quoted}&__locals__=1"
        document, console = opened(tmp_path, url)
    assert re.search(r"<title>RuntimeError: &lt;script&gt;", document)
    assert "<script" not in document
    assert "<img" not in document
    assert console == ""


def test_the_status_page_shows_what_happened(tmp_path: Path) -> None:
    """A worker that was killed, a stuck request with its stack, a slow path, a refusal; no query is shown."""
    with service(
        tmp_path, "--admin-listen", "127.0.0.1:0", settings="workers = 2\nrequest_timeout = 0.3"
    ) as served:  # fmt: skip
        port = int(served.child.wait_for(r"admin listener on http://127.0.0.1:(\d+)")[1])
        admin = "127.0.0.1", port

        def status() -> Any:
            return json.loads(ask(admin, "/status")[1])

        wait_until(lambda: status()["ready"])
        with RawClient(served.address) as wrong, RawClient(served.address) as held:
            wrong.send(b"GET / HTTP/1.1\r\n\r\n")
            wrong.response()
            held.send(b"GET /sleep/2?token=s3cret HTTP/1.1\r\nHost: x\r\n\r\n")
            held.response()
        wait_until(lambda: all(status()[name] for name in ("stuck", "slowest")))
        killed = status()["workers"][0]["pid"]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: status()["restarts"])
        document, console = opened(tmp_path, f"http://127.0.0.1:{port}/")
    assert console == ""
    for part in (f"worker {killed} was killed by SIGKILL", "GET /sleep/2 for ", "time.sleep", "1 request<"):
        assert part in document, part
    assert "s3cret" not in document


def test_a_page_reloads_itself(tmp_path: Path) -> None:
    """After a save the browser asks for the page again, without anybody touching it."""
    project = tmp_path / "project"
    project.mkdir()
    text = (
        "from wiverno.main import Wiverno\napp = Wiverno()\n@app.get('/')\ndef home(request):\n    return '<p>{}</p>'\n"
    )
    (project / "run.py").write_text(text.format("one"))
    start = "from wiverno.dev.dev_server import DevServer; DevServer.serve(host='127.0.0.1', port=0, live=True)"
    with Child([sys.executable, "-c", start], cwd=project, env={"PYTHONPATH": str(ROOT)}) as server:
        host, port = server.address()
        with Child(browser(tmp_path, "--remote-debugging-port=0", f"http://{in_url(host)}:{port}/")) as chromium:
            wait_until(lambda: "GET /  200" in server.output, PATIENCE * 3, what=f"the browser\n{chromium.output}")
            before = server.output.count("GET /  200")
            (project / "run.py").write_text(text.format("two"))
            server.wait_for("restarting")
            wait_until(lambda: server.output.count("GET /  200") > before, PATIENCE * 3, what="the page to be reloaded")
