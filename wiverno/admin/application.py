"""The WSGI application of the admin listener. It answers from counters; the served application takes part only with its
metrics, if `admin_metrics_application` is set.

    GET  /healthz   200, or 503 if the event loop has stopped
    GET  /readyz    200, or 503 if the event loop has stopped, and while starting, stopping, or without a worker
    GET  /metrics   Prometheus
    GET  /status    JSON; ?since=AGE adds the rows of the history after that age
    GET  /          the page
    POST /ACTION    reload, stop, reopen, more, fewer

Access to the address is the permission for actions: a Unix socket of mode 600, or the loopback interface. A public
address has no actions. A web page in a browser on this machine must not be able to send actions: they require a header
field that only a program sets, and Host must not be a name that a foreign DNS server can resolve to this machine (DNS
rebinding).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs

from wiverno.addresses import is_rebind_proof, strip_port
from wiverno.admin.application_metrics import ApplicationMetrics
from wiverno.admin.exposition import CONTENT_TYPE, format_metrics
from wiverno.admin.history import COLUMNS, History
from wiverno.core.telemetry.status import READY, Control, RefusedError, ServiceStatus, WorkerStatus

ACTIONS: Final = ("reload", "stop", "reopen", "more", "fewer")
CONTROL_FIELD: Final = "HTTP_X_WIVERNO_CONTROL"

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_NOT_SERVING: Final = "no process serves requests: every event loop has stopped"
_COMMON: Final = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]

Answer = tuple[str, str, str]  # status, content type, text


class AdminApplication:
    """The application of the admin listener; called by one thread."""

    def __init__(
        self, control: Control, *, is_public: bool = False, metrics: ApplicationMetrics | None = None,
        probe: Callable[[], bool] | None = None,
    ) -> None:  # fmt: skip
        """Keep what the responses are made of.

        Args:
            control: the running server.
            is_public: other machines can reach the address.
            metrics: those of the served application.
            probe: returns within two seconds whether requests are served; without it the heartbeats are used.
        """
        self._probe = probe
        self._own_metrics = metrics
        self.history = History()
        self._control = control
        self._is_public = is_public
        # Read now: the user who serves later may not be allowed to.
        self._page_text = files("wiverno.admin").joinpath("page.html").read_text(encoding="utf-8")

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
        """Add a row to the history; the same thread calls it once a second."""
        self.history.sample(self._control.status())

    def _answer(self, environ: dict[str, Any]) -> Answer:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if not self._is_public and not _is_local_name(environ.get("HTTP_HOST")):
            return _plain("403 Forbidden", "Host not allowed: use localhost or an IP address")
        if path[1:] in ACTIONS:
            return self._act(method, path[1:], environ)
        view = {
            "/healthz": self._health, "/readyz": self._readiness, "/metrics": self._metrics, "/status": self._status,
            "/": self._page,
        }.get(path)  # fmt: skip
        if view is None:
            return _plain("404 Not Found", "not found; available: /healthz /readyz /metrics /status /")
        if method not in ("GET", "HEAD"):
            return _plain("405 Method Not Allowed", "method not allowed; use GET or HEAD")
        return view(environ)

    def _act(self, method: str, action: str, environ: dict[str, Any]) -> Answer:
        if method != "POST":
            return _plain("405 Method Not Allowed", f"{action} needs POST: use wiverno ctl {action}")
        if self._is_public:
            return _plain("403 Forbidden", "actions are not allowed on a public address")
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
        return "200 OK", CONTENT_TYPE, format_metrics(self._control.status()) + more

    def _status(self, environ: dict[str, Any]) -> Answer:
        found = describe_status(self._control.status())
        since = parse_qs(environ.get("QUERY_STRING", "")).get("since")
        if since:
            try:
                age = float(since[0])
            except ValueError:
                return _plain("400 Bad Request", "since is a number of seconds")
            found["history"] = {"columns": COLUMNS, "rows": self.history.since(age)}
        return "200 OK", "application/json", json.dumps(found)

    def _page(self, environ: dict[str, Any]) -> Answer:
        return "200 OK", "text/html; charset=utf-8", self._page_text


def _plain(status: str, text: str) -> Answer:
    return status, "text/plain; charset=utf-8", text + "\n"


def _is_local_name(host: str | None) -> bool:
    """Return whether a Host field is localhost, an IP address, or absent; no DNS server can redirect these."""
    return not host or is_rebind_proof(strip_port(host))


def describe_status(status: ServiceStatus) -> dict[str, Any]:
    """Return a status as the members of its JSON."""
    return {
        "state": status.state,
        "ready": status.is_ready,
        "pid": status.pid,
        "version": status.version,
        "age": round(status.age, 3),
        "addresses": status.addresses,
        "wanted": status.wanted,
        "workers": [_describe_worker(worker) for worker in status.workers],
        "total": asdict(status.total),
        "restarts": dict(status.restarts),
        "reloads": {"succeeded": status.reloads[0], "failed": status.reloads[1], "last_failure": status.last_failure},
        **status.notes,
    }


WORKER_GAUGES: Final = (
    "connections", "http2_connections", "http2_streams", "busy", "threads", "max_threads", "queued", "resident",
)  # fmt: skip


def _describe_worker(worker: WorkerStatus) -> dict[str, Any]:
    gauges, totals = worker.counts.gauges, worker.counts.totals
    return {
        "pid": worker.pid,
        "state": worker.state,
        "generation": worker.generation,
        "age": round(worker.age, 3),
        "silence": round(worker.silence, 3),
        "requests": int(totals["requests"]),
        **{name: int(gauges[name]) for name in WORKER_GAUGES},
    }
