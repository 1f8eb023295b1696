"""The systemd units, the Kubernetes manifest and the Dockerfile: held against their tools, and started."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.deploy.fleet import DEPLOY, SERVICE, Load, fetch
from tests.support.processes import ROOT, Child, run, script
from tests.support.programs import program
from tests.support.sockets import LOOPBACK, free_port
from tests.support.waiting import wait_until

SCHEMA = json.loads((ROOT / "tests" / "data" / "kubernetes" / "schema-1.37.json").read_text())

AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Hands a socket over as sd_listen_fds(3) says: it is descriptor 3, and meant for this process."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder as the units expect it: the application and its configuration."""
    shutil.copy(DEPLOY / "wiverno.toml", tmp_path)
    shutil.copy(SERVICE / "service.py", tmp_path)
    return tmp_path


def exec_start(site: Path) -> list[str]:
    """The service's command with this machine's paths in it."""
    text = (DEPLOY / "wiverno.service").read_text()
    found = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert found
    command = found[1].replace("/srv/shop/venv/bin/wiverno", script("wiverno")).replace("/srv/shop", str(site))
    return shlex.split(command)


def environment(site: Path) -> dict[str, str]:
    variables = {"PYTHONPATH": f"{site}:{ROOT}", "HOME": str(site)}
    return {**variables, "ADMIN_PORT": str(free_port()), "DRAIN_DELAY": "0"}


def test_units_are_valid(tmp_path: Path) -> None:
    """systemd itself reads both units without a complaint."""
    for name in ("wiverno.service", "wiverno.socket"):
        text = (DEPLOY / name).read_text().replace("/srv/shop/venv/bin/wiverno", script("wiverno"))
        (tmp_path / name).write_text(text)
    done = run(
        [
            program("systemd-analyze", package="systemd"),
            "verify",
            "--man=no",
            "--recursive-errors=no",
            *map(str, tmp_path.glob("wiverno.*")),
        ]
    )
    said = [line for line in done.stderr.splitlines() if "wiverno" in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_socket_activation(site: Path) -> None:
    """Started by systemd's own tool, the service finds its socket by the name that the socket unit gives it."""
    port = free_port()
    command = [program("systemd-socket-activate", package="systemd"), "-l", f"{LOOPBACK}:{port}", "--fdname=http"]
    names = [f"--setenv={name}={text}" for name, text in environment(site).items()]
    with Child([*command, *names, *exec_start(site)], cwd=site, env=environment(site)) as child:
        child.wait_for("Listening on")
        assert fetch(port, timeout=20)["client"] == LOOPBACK
        child.wait_for(f"Serving on http://{LOOPBACK}:{port}")
        assert child.stop(signal.SIGTERM) == 0, child.output


def test_restart_refuses_no_client(site: Path) -> None:
    """With the port held by another process, as systemd holds it, a restart under load only makes clients wait."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(1024)
        port = listener.getsockname()[1]

        def start() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", AS_SYSTEMD, str(listener.fileno()), *exec_start(site)]
            variables = {**os.environ, **environment(site), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}
            return subprocess.Popen(
                command, cwd=site, env=variables, pass_fds=[listener.fileno()], stdout=log, stderr=log
            )

        with (site / "log").open("wb") as log, Load(port, clients=4) as load:
            for _ in range(3):
                process = start()
                try:
                    wait_until(lambda process=process: load.answered[process.pid] > 50, 20, what="answers")  # type: ignore[misc]
                    process.send_signal(signal.SIGTERM)
                    assert process.wait(20) == 0, (site / "log").read_text()
                finally:
                    process.kill()
                    process.wait()
            process = start()
            wait_until(lambda: load.answered[process.pid] > 50, 20, what="answers")
        process.terminate()
        assert process.wait(20) == 0
    assert load.failures == []
    assert len(load.answered) == 4


def test_tells_systemd(site: Path) -> None:
    """Type=notify is kept: ready only when it serves, signs of life for WatchdogSec, and the end announced."""
    address = str(site / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(20)
        variables = {
            **environment(site),
            "NOTIFY_SOCKET": address,
            "WATCHDOG_USEC": "4000000",
            "DRAIN_DELAY": "1500ms",  # an end that takes no time is not announced
            "WIVERNO_LISTEN": "127.0.0.1:0",
        }
        command = [part for part in exec_start(site) if part not in ("--listen", "fd:http")]
        with Child(command, cwd=site, env=variables) as child:
            said = ""
            while "WATCHDOG=1" not in said:
                said += manager.recv(4096).decode() + "\n"
            assert "READY=1" in said
            child.send(signal.SIGTERM)
            while "STOPPING=1" not in said:
                said += manager.recv(4096).decode() + "\n"
            assert child.wait() == 0, child.output


def manifest() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def problems(document: dict[str, Any]) -> list[str]:
    """What Kubernetes' schema says against a document."""
    schema = {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{SCHEMA['kinds'][document['kind']]}"}
    found = jsonschema.Draft202012Validator(schema).iter_errors(document)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def test_manifest_fits_the_schema() -> None:
    """Every document is what Kubernetes accepts, and the schema would notice a slip."""
    documents = manifest()
    assert [document["kind"] for document in documents] == ["ConfigMap", "Deployment", "Service", "PodDisruptionBudget"]
    assert [problem for document in documents for problem in problems(document)] == []
    container = documents[1]["spec"]["template"]["spec"]["containers"][0]
    container["readynessProbe"] = container.pop("readinessProbe")
    (problem,) = problems(documents[1])
    assert "'readynessProbe' was unexpected" in problem


def test_manifest_holds_together() -> None:
    """Probes ask the container's port; the grace period covers preStop and the drain; the selectors select."""
    config, deployment, service, budget = manifest()
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    assert container["resources"]["requests"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    graceful = re.search(r'graceful_timeout = "(\d+)s"', config["data"]["wiverno.toml"])
    assert graceful
    assert pod["spec"]["terminationGracePeriodSeconds"] > pause + int(graceful[1])
    labels = pod["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert labels == budget["spec"]["selector"]["matchLabels"]
    assert service["spec"]["ports"][0]["targetPort"] in ports


def test_manifest_starts(site: Path) -> None:
    """The container's command serves with the ConfigMap's file, and answers its probes."""
    config, deployment, *_ = manifest()
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (site / "wiverno.toml").write_text(config["data"]["wiverno.toml"])
    command = [part.replace("/etc/shop", str(site)) for part in container["command"]]
    admin = free_port()
    variables = {"WIVERNO_LISTEN": "0.0.0.0:0", "WIVERNO_ADMIN_LISTEN": f"0.0.0.0:{admin}"}
    with Child([script(command[0]), *command[1:]], cwd=site, env=variables) as child:
        _, port = child.address()
        assert fetch(port)["process"] == child.process.pid
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            url = f"http://{LOOPBACK}:{admin}{container[probe]['httpGet']['path']}"
            # The kubelet names the pod's address as Host.
            with urllib.request.urlopen(
                urllib.request.Request(url, headers={"Host": "10.1.2.3:9000"}), timeout=5
            ) as answer:
                assert answer.status == 200
        assert child.stop(signal.SIGTERM) == 0, child.output


def test_dockerfile(site: Path) -> None:
    """Its command serves with its variables, and its health check is content."""
    text = (DEPLOY / "Dockerfile").read_text()
    instructions = dict(re.findall(r"^([A-Z]+) (.*)$", text, re.MULTILINE))
    variables = dict(part.split("=", 1) for part in shlex.split(instructions["ENV"]))
    port = free_port()
    admin = free_port()
    variables["WIVERNO_LISTEN"] = variables["WIVERNO_LISTEN"].replace("8000", str(port))
    variables["WIVERNO_ADMIN_LISTEN"] = variables["WIVERNO_ADMIN_LISTEN"].replace("9000", str(admin))
    program_name, *rest = json.loads(instructions["CMD"])
    with Child([script(program_name), *rest], cwd=site, env=variables) as child:
        assert child.address()[1] == port
        check = json.loads(instructions["HEALTHCHECK"].split("CMD ", 1)[1].replace("9000", str(admin)))
        assert check[0] == "python"
        assert run(check[1:]).returncode == 0
        assert child.stop(signal.SIGTERM) == 0, child.output
        assert run(check[1:]).returncode != 0
