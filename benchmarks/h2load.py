"""One run of h2load over TLS: the command, its summary, and a check before it that the server answers over HTTP/2.

h2load prints no percentiles. The measured run writes no log, for that would cost the client a part of its CPU; a second
run of about one second writes one line a request, and the percentiles are read from it. Runs are counted in requests,
not in seconds: at the end of a timed run h2load waits for ever for streams that some servers do not finish.

h2load visits a list of paths in turn, but sends the same fields with each: the browser's load changes its path and
keeps its cookie, where wrk's changes both. A cookie that never changes is one HPACK index after the first request.
"""

import contextlib
import re
import statistics
import subprocess
import time
from pathlib import Path

from benchmarks.loads import Load
from benchmarks.processes import CLIENT_CPU, Child
from benchmarks.servers import HOST
from benchmarks.summary import Summary

LATENCY_SECONDS = 1
START_SECONDS = 60.0
PATIENCE = 120.0  # seconds for one run
PATHS = 1000  # different paths of the browser's load; h2load visits them in turn

BROWSER_FIELDS = (
    "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0",
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language: en-US,en;q=0.5",
    "accept-encoding: gzip, deflate, br, zstd",
    "referer: https://shop.example.org/catalogue?page=12",
    "cookie: session=5f2a9c31e07b4d8891ab3c; theme=dark; basket=17",
    "upgrade-insecure-requests: 1",
    "sec-fetch-dest: document",
    "sec-fetch-mode: navigate",
    "sec-fetch-site: same-origin",
    "priority: u=0, i",
    "te: trailers",
)

_FINISHED = re.compile(r"finished in ([\d.]+)(us|ms|s), ([\d.]+) req/s, ([\d.]+)(B|KB|MB|GB)/s")
_REQUESTS = re.compile(r"requests: .*?(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")
_UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


def run(load: Load, port: int, seconds: int, log: Path) -> Summary:
    """Press the server on `port` for `seconds` from the client's CPU.

    Raises:
        ChildFailed: h2load did not finish or printed no summary.
    """
    few = 2 * load.connections * load.streams
    estimate = _rate(_press(load, port, few, log, ()))
    text = _press(load, port, max(few, round(estimate * seconds)), log, ())
    times = log.with_suffix(".times")
    times.unlink(missing_ok=True)  # h2load appends
    _press(
        load,
        port,
        max(few, round(_rate(text) * LATENCY_SECONDS)),
        log.with_name("latencies.log"),
        ("--log-file", str(times)),
    )
    latencies = sorted(int(line.split("\t")[2]) / 1e3 for line in times.read_text().splitlines()) or [0.0]
    return read_summary(text, latencies)


def read_summary(text: str, latencies: list[float]) -> Summary:
    """Read h2load's output; `latencies` in milliseconds, sorted.

    Raises:
        ValueError: the text has no summary.
    """
    finished, requests = _FINISHED.search(text), _REQUESTS.search(text)
    if finished is None or requests is None:
        raise ValueError("h2load printed no summary")
    counts = dict(zip(("failed", "errored", "timeout"), map(int, requests.groups()[1:]), strict=True))
    return Summary(
        rate=float(finished[3]),
        bytes_per_second=float(finished[4]) * _UNITS[finished[5]],
        mean=statistics.fmean(latencies),
        p50=latencies[len(latencies) // 2],
        p99=latencies[len(latencies) * 99 // 100],
        worst=latencies[-1],
        errors={name: count for name, count in counts.items() if count},
    )


def _rate(text: str) -> float:
    finished = _FINISHED.search(text)
    return float(finished[3]) if finished else 0.0


def _press(load: Load, port: int, requests: int, log: Path, extra: tuple[str, ...]) -> str:
    command = ["h2load", "--threads=1", f"--clients={load.connections}", f"--max-concurrent-streams={load.streams}"]
    command += [f"--requests={requests}", *extra]
    url = f"https://{HOST}:{port}{load.path}"
    if load.sends:
        body = log.with_name("body.bin")
        if not body.exists() or body.stat().st_size != load.sends:
            body.write_bytes(bytes(load.sends))
        command += [f"--data={body}", url]
    elif load.name == "h2-browser":
        for field in BROWSER_FIELDS:
            command += ["--header", field]
        paths = log.with_name("paths.txt")
        paths.write_text("".join(f"{url}item/{number}?page={number % 7}\n" for number in range(PATHS)))
        command += [f"--input-file={paths}"]
    else:
        command += [url]
    with Child(command, cpu=CLIENT_CPU, log=log, directory=log.parent) as child:
        try:
            child.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise child.fail("h2load did not finish") from None
        if child.process.returncode:
            raise child.fail(f"h2load ended with status {child.process.returncode}")
    return log.read_text()


def wait_until_right(server: Child, load: Load, port: int, workspace: Path) -> None:
    """Wait for the first answer; check that it comes over HTTP/2 and is the answer of this load.

    Raises:
        ChildFailed: the server ended, stayed silent, or answered something else.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        if not server.alive:
            raise server.fail(f"the server ended with status {server.process.returncode} before it answered")
        with contextlib.suppress(ConnectionError):
            _check_answer(server, load, port, workspace)
            return
        if time.monotonic() > deadline:
            raise server.fail(f"no answer within {START_SECONDS:.0f} seconds")
        time.sleep(0.02)  # between two looks; the deadline ends them


def _check_answer(server: Child, load: Load, port: int, workspace: Path) -> None:
    answer = workspace / "answer.bin"
    command = ["curl", "--silent", "--insecure", "--http2", "--max-time", "30", "--output", str(answer)]
    command += ["--write-out", "%{http_version} %{http_code}"]
    if load.sends:
        body = workspace / "body.bin"
        body.write_bytes(bytes(load.sends))
        command += ["--data-binary", f"@{body}"]
    done = subprocess.run([*command, f"https://{HOST}:{port}{load.path}"], capture_output=True, text=True, check=False)
    if done.returncode == 7:
        raise ConnectionRefusedError
    if done.returncode or done.stdout != "2 200":
        raise server.fail(f"{load.path}: curl ended with {done.returncode}, version and status {done.stdout!r}")
    content = answer.read_bytes()
    is_right = content == load.answer if load.answer is not None else len(content) == load.answer_length
    if not is_right:
        raise server.fail(f"{load.path} was answered with {len(content)} other bytes: {content[:60]!r}")
