"""The application's prometheus_client metrics: of one process, of all workers, after deaths and reloads."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import Child, run, script
from tests.support.waiting import wait_until
from tests.support.workers import ServerContext, ask, reload, service, wait_for_workers

APPLICATION = """
import os
from prometheus_client import Counter, Gauge, Histogram, REGISTRY
ORDERS = Counter("shop_orders", "Orders with a \\\\ and a\\nline.", ["kind"])
OPEN = Gauge("shop_open", "Open carts.", multiprocess_mode="livesum")
TIME = Histogram("shop_seconds", "Time.", buckets=(1, 2))
CLASH = Gauge("wiverno_connections", "Not the server's.")
def app(environ, start_response):
    if environ["PATH_INFO"] == "/break":
        class Broken:
            def describe(self):
                return []
            def collect(self):
                raise RuntimeError("on purpose")
        REGISTRY.register(Broken())
    ORDERS.labels('a "quoted" kind').inc()
    OPEN.set(1)
    TIME.observe(1.5)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
SETTINGS = "admin_metrics_application = true\n"


def samples(served: ServerContext) -> dict[str, float]:
    """Return all samples by name and labels, after the parser has read them and none came twice."""
    status, body = served.admin("/metrics")
    assert status == 200
    found: dict[str, float] = {}
    families: set[str] = set()
    for family in text_string_to_metric_families(body.decode()):
        assert family.name not in families
        families.add(family.name)
        for sample in family.samples:
            key = sample.name + "".join(f"|{value}" for value in sample.labels.values())
            assert key not in found
            found[key] = sample.value
    assert "wiverno_connections" in found
    return found


def ask_each(served: ServerContext, pids: set[int]) -> int:
    """Ask until each of the workers has answered; return how many answers that took."""
    seen: set[int] = set()
    count = 0
    while not pids <= seen:
        seen.add(served.pid())
        count += 1
    return count


def test_one_process(tmp_path: Path) -> None:
    """The default registry, with what the library itself counts of the process."""
    with service(tmp_path, application=APPLICATION, settings=SETTINGS) as served:
        served.get()
        served.get()
        found = samples(served)
        assert found['shop_orders_total|a "quoted" kind'] == 2
        assert found["shop_seconds_bucket|2.0"] == 2
        assert found["process_start_time_seconds"] > 0


def test_a_collector_that_fails_spoils_nothing_else(tmp_path: Path) -> None:
    with service(tmp_path, application=APPLICATION, settings=SETTINGS) as served:
        served.get("/break")
        assert "shop_open" not in samples(served)
        served.child.wait_for("cannot collect the application's metrics(.*\n)+.*RuntimeError: on purpose")


def test_without_the_setting_there_are_none(tmp_path: Path) -> None:
    with service(tmp_path, application=APPLICATION, settings="workers = 1") as served:
        wait_for_workers(served, 1)
        served.get()
        assert "shop_open" not in samples(served)


@pytest.mark.parametrize("preload", ["off", "on"])
def test_workers_add_up(tmp_path: Path, preload: str) -> None:
    """Counters are of all workers and outlive them; gauges of what lives do not; nothing is left at the end."""
    with service(tmp_path, application=APPLICATION, settings=f'{SETTINGS}workers = 2\npreload = "{preload}"') as served:
        pids = wait_for_workers(served, 2)
        count = ask_each(served, pids)
        found = samples(served)
        assert found['shop_orders_total|a "quoted" kind'] == count
        assert found["shop_seconds_count"] == count
        assert found["shop_open"] == 2
        victim = served.pid()
        os.kill(victim, signal.SIGKILL)
        wait_for_workers(served, 2, without={victim})
        wait_until(lambda: samples(served)["shop_open"] == 1)
        assert samples(served)['shop_orders_total|a "quoted" kind'] == count + 1
        reload(served, 2)
        assert samples(served)['shop_orders_total|a "quoted" kind'] == count + 1
        directory = directory_of(served.child.process.pid)
        assert directory.name.startswith("wiverno-metrics-")
        assert served.child.stop() == 0
        assert not directory.exists()


def directory_of(pid: int) -> Path:
    """Return the directory that a worker of the process has been given."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for line in Path(f"/proc/{children[0]}/maps").read_text().splitlines():
        if line.endswith(".db"):
            return Path(line.split(maxsplit=5)[5]).parent
    raise AssertionError("no metrics' file is mapped")


@pytest.mark.parametrize("is_relative", [False, True])
def test_a_directory_of_ones_own_is_emptied_and_kept(tmp_path: Path, is_relative: bool) -> None:
    """PROMETHEUS_MULTIPROC_DIR is used where it is set; what an earlier run has counted is not counted again."""
    (tmp_path / "shop.py").write_text("import os\nos.chdir('/')\n" + APPLICATION)
    directory = tmp_path / "metrics"
    directory.mkdir()
    (directory / "counter_1.db").write_bytes(b"of an earlier run")
    (directory / "note.txt").write_text("not ours")
    command = [
        script("wiverno"), "run", "shop:app", "--listen", "127.0.0.1:0", "--workers", "1",
        "--admin-listen", f"unix:{tmp_path}/admin.sock", "--admin-metrics-application",
    ]  # fmt: skip
    environment = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PROMETHEUS_MULTIPROC_DIR": "metrics" if is_relative else str(directory),
    }
    with Child(command, cwd=tmp_path, env=environment) as child:
        served = ServerContext(child, tmp_path)
        wait_for_workers(served, 1)
        served.get()
        assert samples(served)["shop_open"] == 1
        assert child.stop() == 0
    assert not (directory / "counter_1.db").exists()
    assert (directory / "note.txt").exists()


@pytest.mark.parametrize("name", ["pserve", "program"])
def test_an_application_that_is_loaded_first(tmp_path: Path, name: str) -> None:
    """Under pserve all is ready before the application; a program that imports the library first is told what to do."""
    (tmp_path / "shop.py").write_text(APPLICATION + "\ndef main(global_config):\n    return app\n")
    server: dict[str, Any] = {
        "listen": "127.0.0.1:0", "workers": 1, "admin_listen": f"unix:{tmp_path}/admin.sock",
        "admin_metrics_application": "true",
    }  # fmt: skip
    keys = "".join(f"{key} = {value}\n" for key, value in server.items())
    (tmp_path / "site.ini").write_text(f"[app:main]\nuse = call:shop:main\n[server:main]\nuse = egg:wiverno\n{keys}")
    (tmp_path / "program.py").write_text(f"import wiverno, shop\nwiverno.serve(shop.app, **{server!r})\n")
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tmp_path)}
    if name == "program":
        done = run([str(tmp_path / "program.py")], cwd=tmp_path, env=environment)
        assert done.returncode == 1
        assert "admin_metrics_application: the application imported prometheus_client too early" in done.stderr
        assert "set PROMETHEUS_MULTIPROC_DIR" in done.stderr
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path)
    command = [script("pserve"), "site.ini"] if name == "pserve" else [str(tmp_path / "program.py")]
    with Child(command, cwd=tmp_path, env=environment) as child:
        served = ServerContext(child, tmp_path)
        wait_for_workers(served, 1)
        served.get()
        assert samples(served)["shop_open"] == 1
        reload(served, 1)
        ask(served.address, "/")
        assert samples(served)["shop_open"] == 1
        assert samples(served)['shop_orders_total|a "quoted" kind'] == 2
        assert child.stop() == 0
