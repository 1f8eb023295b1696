"""One run of wrk: the command, its one-line summary, and a check before it that the server answers what it should."""

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import time
from pathlib import Path

from benchmarks.apps import TIMES_PATH
from benchmarks.environment import HERE
from benchmarks.loads import Load
from benchmarks.processes import CLIENT_CPU, Child
from benchmarks.servers import CERTIFICATES, HOST
from benchmarks.summary import Summary

SCRIPTS = HERE / "lua"
START_SECONDS = 240.0  # Falcon compiles 10,000 routes on the first request, which takes it half a minute or more


def run(load: Load, port: int, seconds: int, log: Path, arguments: tuple[str, ...] = ()) -> Summary:
    """Press the server on `port` for `seconds` from the client's CPU.

    Raises:
        ChildFailed: wrk did not finish or printed no summary.
    """
    scheme = "https" if load.is_secure else "http"
    command = ["wrk", "--threads", "1", "--connections", str(load.connections), "--duration", f"{seconds}s"]
    command += ["--timeout", "10s", "--script", load.script, f"{scheme}://{HOST}:{port}{load.path}", "--", *arguments]
    with Child(command, cpu=CLIENT_CPU, log=log, directory=SCRIPTS) as child:
        try:
            child.process.wait(seconds + 30)
        except subprocess.TimeoutExpired:
            raise child.fail("wrk did not finish") from None
        line = next((text for text in log.read_text().splitlines() if text.startswith("SUMMARY ")), None)
        if line is None:
            raise child.fail("wrk printed no summary")
    return _read(json.loads(line.removeprefix("SUMMARY ")))


def _read(counted: dict[str, float]) -> Summary:
    seconds = counted["microseconds"] / 1e6
    errors = {name: int(counted[name]) for name in ("connect", "read", "write", "status", "timeout") if counted[name]}
    return Summary(
        rate=counted["requests"] / seconds,
        bytes_per_second=counted["bytes"] / seconds,
        mean=counted["mean"] / 1e3,
        p50=counted["p50"] / 1e3,
        p99=counted["p99"] / 1e3,
        worst=counted["max"] / 1e3,
        errors=errors,
    )


def wait_until_right(server: Child, load: Load, port: int) -> None:
    """Wait for the first answer, and check that it is the answer of this load.

    Raises:
        ChildFailed: the server ended, stayed silent, or answered something else.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        if not server.alive:
            raise server.fail(f"the server ended with status {server.process.returncode} before it answered")
        with contextlib.suppress(ConnectionError, http.client.RemoteDisconnected):
            _check_answer(server, load, port)
            return
        if time.monotonic() > deadline:
            raise server.fail(f"no answer within {START_SECONDS:.0f} seconds")
        time.sleep(0.02)  # between two looks; the deadline ends them


def _check_answer(server: Child, load: Load, port: int) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=START_SECONDS)
    if load.is_secure:
        context = ssl.create_default_context(cafile=CERTIFICATES / "ca.pem")
        connection = http.client.HTTPSConnection(HOST, port, timeout=START_SECONDS, context=context)
    try:
        if load.sends:
            connection.request("POST", load.path, body=bytes(load.sends))
        else:
            connection.request("GET", load.path, headers={"Connection": "close"} if load.is_closing else {})
        response = connection.getresponse()
        body = response.read()
        if load.is_closing:
            _check_closed(server, response)
    finally:
        connection.close()
    if response.status != 200:
        raise server.fail(f"{load.path} was answered with status {response.status}")
    is_right = body == load.answer if load.answer is not None else len(body) == load.answer_length
    if not is_right:
        raise server.fail(f"{load.path} was answered with {len(body)} bytes that are not this load's: {body[:60]!r}")


def _check_closed(server: Child, response: http.client.HTTPResponse) -> None:
    """A server that ignores `Connection: close` would be measured with keep-alive."""
    if response.headers.get("Connection", "").lower() != "close":
        raise server.fail("the request's `Connection: close` was not answered with the same")


def application_times(port: int) -> tuple[int, float]:
    """How often the application of a timed load has looped, and the CPU time of its loops in seconds."""
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=START_SECONDS)) as connection:
        connection.request("GET", TIMES_PATH, headers={"Connection": "close"})
        loops, seconds = connection.getresponse().read().split()
    return int(loops), float(seconds)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])
