"""The admin room's WSGI application: short answers from counters, never from the served application
(but for metrics of its own, where the settings want them).

    GET  /healthz   200, or 503 if the loop that serves requests does not turn any more
    GET  /readyz    200, or 503 while requests should go elsewhere: the same, starting, stopping, no worker
    GET  /metrics   Prometheus
    GET  /status    JSON; ?since=AGE adds the rows of the history after that age
    GET  /          the page
    POST /ACTION    reload, stop, reopen, more, fewer

Who may ask for an action is decided by who can reach the address: a Unix socket of mode 600, or the loopback interface.
On an address that others can reach there are no actions. A web page that a browser on the same machine shows must not
be able to use the browser for it: actions want a field that only a program sets, and a name in Host that somebody
else's DNS server points here is refused (DNS rebinding).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs

from wiverno.addresses import is_rebind_proof, strip_port
from wiverno.admin.application_metrics import ApplicationMetrics
from wiverno.admin.exposition import CONTENT_TYPE, exposition
from wiverno.admin.history import COLUMNS, History
from wiverno.core.telemetry.status import READY, Control, RefusedError, ServiceStatus, WorkerStatus

ACTIONS: Final = ("reload", "stop", "reopen", "more", "fewer")
CONTROL_FIELD: Final = "HTTP_X_WIVERNO_CONTROL"

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_NOT_SERVING: Final = "requests are not served: no process's loop turns"
_COMMON: Final = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]

Answer = tuple[str, str, str]  # status, content type, text


class AdminApplication:
    """The application of the admin listener; called by one thread."""

    def __init__(
        self, control: Control, *, is_public: bool = False, metrics: ApplicationMetrics | None = None,
        probe: Callable[[], bool] | None = None,
    ) -> None:  # fmt: skip
        """Answer for `control`.

        Args:
            control: the service.
            is_public: others than this machine's users can reach it.
            metrics: the served application's own.
            probe: tells whether requests are served, within two seconds; without it the heartbeats tell.
        """
        self._probe = probe
        self._own_metrics = metrics
        self.history = History()
        self._control = control
        self._is_public = is_public

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        status, kind, text = self._answer(environ)
        body = text.encode()
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), *_COMMON]
        if kind.startswith("text/html"):
            headers.append(("Content-Security-Policy", _POLICY))
        start_response(status, headers)
        return [body]

    def sample(self) -> None:
        """Add to the history; to be called once a second by the same thread."""
        self.history.sample(self._control.status())

    def _answer(self, environ: dict[str, Any]) -> Answer:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if not self._is_public and not _is_local_name(environ.get("HTTP_HOST")):
            return _plain("403 Forbidden", "this address answers to localhost and to IP addresses only")
        if path[1:] in ACTIONS:
            return self._act(method, path[1:], environ)
        view = {
            "/healthz": self._health, "/readyz": self._readiness, "/metrics": self._metrics, "/status": self._status,
            "/": self._page,
        }.get(path)  # fmt: skip
        if view is None:
            return _plain("404 Not Found", "there are /healthz /readyz /metrics /status and / here")
        if method not in ("GET", "HEAD"):
            return _plain("405 Method Not Allowed", "this can only be read")
        return view(environ)

    def _act(self, method: str, action: str, environ: dict[str, Any]) -> Answer:
        if method != "POST":
            return _plain("405 Method Not Allowed", f"{action} wants POST: use wiverno ctl {action}")
        if self._is_public:
            return _plain("403 Forbidden", "nothing can be changed through an address that others can reach")
        if CONTROL_FIELD not in environ:
            return _plain("403 Forbidden", "the field X-Wiverno-Control is missing: use wiverno ctl")
        try:
            return _plain("202 Accepted", self._control.ask(action))
        except RefusedError as error:
            return _plain("409 Conflict", str(error))

    def _health(self, environ: dict[str, Any]) -> Answer:
        status = self._control.status()
        if status.state == READY and not self._is_served(status):
            return _plain("503 Service Unavailable", _NOT_SERVING)
        return _plain("200 OK", "alive")

    def _is_served(self, status: ServiceStatus) -> bool:
        return self._probe() if self._probe is not None else status.is_serving

    def _readiness(self, environ: dict[str, Any]) -> Answer:
        status = self._control.status()
        if status.is_ready:
            if self._is_served(status):
                return _plain("200 OK", "ready")
            return _plain("503 Service Unavailable", _NOT_SERVING)
        return _plain("503 Service Unavailable", status.state if status.state != "ready" else "no worker is ready")

    def _metrics(self, environ: dict[str, Any]) -> Answer:
        more = self._own_metrics.text() if self._own_metrics is not None else ""
        return "200 OK", CONTENT_TYPE, exposition(self._control.status()) + more

    def _status(self, environ: dict[str, Any]) -> Answer:
        found = described(self._control.status())
        since = parse_qs(environ.get("QUERY_STRING", "")).get("since")
        if since:
            try:
                age = float(since[0])
            except ValueError:
                return _plain("400 Bad Request", "since is a number of seconds")
            found["history"] = {"columns": COLUMNS, "rows": self.history.since(age)}
        return "200 OK", "application/json", json.dumps(found)

    def _page(self, environ: dict[str, Any]) -> Answer:
        return "200 OK", "text/html; charset=utf-8", _page_text()


@cache
def _page_text() -> str:
    return files("wiverno.admin").joinpath("page.html").read_text(encoding="utf-8")


def _plain(status: str, text: str) -> Answer:
    return status, "text/plain; charset=utf-8", text + "\n"


def _is_local_name(host: str | None) -> bool:
    """Return whether a Host field is localhost, an IP address, or absent; no DNS server can point those elsewhere."""
    return not host or is_rebind_proof(strip_port(host))


def described(status: ServiceStatus) -> dict[str, Any]:
    """Return a status as JSON has it."""
    return {
        "state": status.state,
        "ready": status.is_ready,
        "pid": status.pid,
        "version": status.version,
        "age": round(status.age, 3),
        "addresses": status.addresses,
        "wanted": status.wanted,
        "workers": [_described_worker(worker) for worker in status.workers],
        "total": asdict(status.total),
        "restarts": dict(status.restarts),
        "reloads": {"succeeded": status.reloads[0], "failed": status.reloads[1], "last_failure": status.last_failure},
    }


def _described_worker(worker: WorkerStatus) -> dict[str, Any]:
    gauges, totals = worker.counts.gauges, worker.counts.totals
    return {
        "pid": worker.pid,
        "state": worker.state,
        "generation": worker.generation,
        "age": round(worker.age, 3),
        "silence": round(worker.silence, 3),
        "requests": int(totals["requests"]),
        **{name: int(gauges[name]) for name in ("connections", "busy", "threads", "queued", "resident")},
    }
