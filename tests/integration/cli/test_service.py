"""What `wiverno service` prints is accepted by the programs that it is for, and agrees with the configuration."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.processes import Child, run, script
from tests.support.programs import require_root
from tests.support.waiting import wait_until
from tests.support.workers import APPLICATION, ServerContext, service, wait_for_workers

SETTINGS = """
[app]
use = "shop:app"
[server]
listen = ["127.0.0.1:8123", "unix:/run/shop.sock"]
workers = 2
graceful_timeout = "20s"
drain_delay = "5s"
admin_listen = "127.0.0.1:9123"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "wiverno.toml"
    path.write_text(SETTINGS)
    return path


def printed(kind: str, config: Path) -> str:
    done = run([script("wiverno"), "service", kind, "--config", str(config)], cwd=config.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def accepted(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd(config: Path) -> None:
    """systemd reads the unit without a complaint; it waits longer than the server drains, and reloads by SIGHUP."""
    text = printed("systemd", config)
    assert "TimeoutStopSec=35\n" in text
    assert "ExecReload=/bin/kill -HUP $MAINPID\n" in text
    assert f"--config {config}" in text
    unit = config.parent / "shop.service"
    unit.write_text(text)
    assert not [
        line for line in accepted("systemd-analyze", "verify", str(unit)).splitlines() if "shop.service" in line
    ]


def test_kubernetes(config: Path) -> None:
    deployment, found = yaml.safe_load_all(printed("kubernetes", config))
    pod = deployment["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 40
    [container] = pod["containers"]
    assert container["command"] == ["wiverno", "run", "--config", "/etc/wiverno/wiverno.toml"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 9123}
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert found["spec"]["ports"] == [{"port": 80, "targetPort": 8123}]


def test_docker(config: Path) -> None:
    text = printed("docker", config)
    assert 'CMD ["wiverno", "run", "--config", "/srv/wiverno.toml"]' in text
    assert "EXPOSE 8123\n" in text
    assert "http://127.0.0.1:9123/healthz" in text


def test_nginx(config: Path) -> None:
    text = printed("nginx", config)
    assert "server 127.0.0.1:8123 max_fails=0;" in text
    assert "server unix:/run/shop.sock max_fails=0;" in text
    whole = config.parent / "nginx.conf"
    log = f"error_log stderr; pid {config.parent}/nginx.pid;"
    whole.write_text(
        f"{log}\nevents {{}}\nhttp {{\naccess_log off;\n{text.replace('listen 80;', 'listen 18080;')}\n}}\n"
    )
    accepted("nginx", "-t", "-c", str(whole))


def test_haproxy(config: Path) -> None:
    text = printed("haproxy", config)
    assert "server shop1 127.0.0.1:8123 check port 9123" in text
    assert " ssl " not in text
    whole = config.parent / "haproxy.cfg"
    whole.write_text(text)
    accepted("haproxy", "-c", "-f", str(whole))


def test_haproxy_in_front_of_tls(config: Path) -> None:
    """TCP listeners that speak TLS are spoken to so, behind the PROXY protocol; Unix sockets are plain."""
    more = 'certfile = "/etc/ssl/shop.pem"\nproxy_protocol = true\ntrusted_proxies = ["127.0.0.1"]\n'
    config.write_text(config.read_text().replace("workers = 2\n", f"workers = 2\n{more}"))
    text = printed("haproxy", config)
    lines = [line for line in text.splitlines() if line.startswith("    server ")]
    assert [" ssl verify required " in line for line in lines] == [True, False]
    assert all(line.endswith(" send-proxy-v2") for line in lines)
    whole = config.parent / "haproxy.cfg"
    whole.write_text(text)
    accepted("haproxy", "-c", "-f", str(whole))


@pytest.mark.parametrize("admin", [True, False])
@pytest.mark.parametrize("secure", [True, False])
def test_haproxy_takes_http_2(config: Path, *, admin: bool, secure: bool) -> None:
    more = 'http2 = true\ntrusted_proxies = ["127.0.0.1"]\n' + ('certfile = "shop.pem"\n' if secure else "")
    text = config.read_text().replace("workers = 2\n", f"workers = 2\n{more}")
    config.write_text(text if admin else text.replace('admin_listen = "127.0.0.1:9123"\n', ""))
    whole = config.parent / "haproxy.cfg"
    whole.write_text(printed("haproxy", config))
    accepted("haproxy", "-c", "-f", str(whole))


# sd_notify


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A service manager's socket, and the facts that were sent to it."""
    path = str(tmp_path / "notify")
    facts: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.setblocking(False)

        class Facts(list[str]):
            def __contains__(self, word: object) -> bool:
                while True:
                    try:
                        facts.extend(receiver.recv(4096).decode().split("\n"))
                    except BlockingIOError:
                        break
                return any(str(fact).startswith(str(word)) for fact in facts)

        yield path, Facts()


@pytest.mark.parametrize("processes", ["workers = 0", "workers = 1"])
def test_the_service_manager_is_told(tmp_path: Path, manager: tuple[str, list[str]], processes: str) -> None:
    """READY when it serves, WATCHDOG while it lives, RELOADING and READY around a reload, STOPPING at the end."""
    address, facts = manager
    (tmp_path / "shop.py").write_text(APPLICATION)
    (tmp_path / "wiverno.toml").write_text(
        f'[app]\nuse = "shop:app"\n[server]\nhost = "127.0.0.1"\nport = 0\n{processes}\n'
        f'admin_listen = "unix:{tmp_path}/admin.sock"\n'
    )
    env = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "4000000", "PYTHONPATH": str(tmp_path)}
    with Child([script("wiverno"), "run"], cwd=tmp_path, env=env) as child:
        served = ServerContext(child, tmp_path)
        wait_until(lambda: "READY=1" in facts)
        assert served.get()[0] == 200
        wait_until(lambda: "WATCHDOG=1" in facts)
        if "1" in processes:
            assert served.admin("/reload", "POST")[0] == 202
            wait_until(lambda: "RELOADING=1" in facts and "MONOTONIC_USEC=" in facts)
            wait_until(lambda: "STATUS=ready: 1 worker since the last reload" in facts)
        assert child.stop() == 0
        wait_until(lambda: "STOPPING=1" in facts)  # a thread of the test receives it


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ((), signal.SIGTERM),
        (("--admin-listen", "127.0.0.1:0"), signal.SIGTERM),
        (("--workers", "1"), signal.SIGTERM),
        (("--workers", "1"), signal.SIGQUIT),
    ],
)
def test_a_stop_at_once_is_told(
    tmp_path: Path, manager: tuple[str, list[str]], options: tuple[str, ...], number: signal.Signals
) -> None:
    """However short the end is, the manager hears of it, and the log tells of each phase once."""
    address, facts = manager
    (tmp_path / "shop.py").write_text(APPLICATION)
    command = [script("wiverno"), "run", "shop:app", "--listen", "127.0.0.1:0", *options]
    with Child(command, cwd=tmp_path, env={"NOTIFY_SOCKET": address}) as child:
        wait_until(lambda: "READY=1" in facts)
        assert child.stop(number) == 0
        wait_until(lambda: "STOPPING=1" in facts)  # a thread of the test receives it
        assert child.output.count("draining:") <= 1


# user, group, umask


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can enter; pytest keeps its own to its user."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("processes", ["workers = 0", "workers = 1"])
def test_privileges_are_dropped(open_folder: Path, processes: str) -> None:
    """The application runs as the user, with the user's groups and the umask; it can't become root again."""
    require_root()
    told = """
import os
def app(environ, start_response):
    try:
        os.setuid(0)
        again = "root again"
    except PermissionError:
        again = "for good"
    old = os.umask(0o77); os.umask(old)
    body = f"{os.getuid()} {os.getgid()} {os.getgroups()} {old:o} {again}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
    settings = f'{processes}\nuser = "nobody"\ngroup = "nogroup"\numask = "027"'
    with service(open_folder, settings=settings, application=told) as served:
        if "1" in processes:
            wait_for_workers(served, 1)
        assert re.fullmatch(rb"65534 65534 \[65534\] 27 for good", served.get()[1])


def test_an_unknown_user_ends_the_start(tmp_path: Path) -> None:
    done = run(
        [script("wiverno"), "run", "wiverno.demo:create_app", "--factory", "--port", "0", "--user", "nobodyatall"]
    )
    assert done.returncode == 1
    assert "user: there is no user 'nobodyatall'" in done.stderr
