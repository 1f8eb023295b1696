"""The admin listener's application, called without a server: views, actions, and who may ask."""

import json
from typing import Any

import pytest

from tests.support.statuses import service, worker
from tests.support.wsgi import Answer, call
from wiverno.admin.application import ACTIONS, AdminApplication
from wiverno.core.telemetry.status import LEAVING, STARTING, STOPPING, RefusedError, ServiceStatus

CONTROLLED: dict[str, Any] = {"HTTP_X_WIVERNO_CONTROL": "ctl"}


class Service:
    """A service with the status that the test sets; it remembers the actions."""

    def __init__(self, status: ServiceStatus) -> None:
        self.now = status
        self.asked: list[str] = []
        self.refusal = ""

    def status(self) -> ServiceStatus:
        return self.now

    def ask(self, action: str) -> str:
        if self.refusal:
            raise RefusedError(self.refusal)
        self.asked.append(action)
        return f"{action} has begun"


READY = service(worker())
HUNG = service(worker(silence=6.0))


@pytest.mark.parametrize(
    ("path", "status", "expected", "text"),
    [
        ("/healthz", READY, 200, "alive\n"),
        ("/healthz", HUNG, 503, "no process serves requests"),
        ("/healthz", service(worker(silence=6.0, threads=1)), 200, "alive\n"),
        ("/healthz", service(state=STARTING), 200, "alive\n"),
        ("/readyz", READY, 200, "ready\n"),
        ("/readyz", service(worker(), worker(12, silence=99.0)), 200, "ready\n"),
        ("/readyz", service(worker(), state=STARTING), 503, "starting\n"),
        ("/readyz", service(worker(), state=STOPPING), 503, "stopping\n"),
        ("/readyz", service(worker(state=LEAVING)), 503, "no worker is ready\n"),
    ],
)
def test_health_and_readiness(path: str, status: ServiceStatus, expected: int, text: str) -> None:
    """A service is alive while its loop turns, and ready while a ready worker's loop turns."""
    found = call(AdminApplication(Service(status)), path=path)
    assert int(found.status[:3]) == expected
    assert text in found.body.decode()
    assert found.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("path", "words"), [("/healthz", "alive"), ("/readyz", "ready")])
def test_a_probe_decides_before_the_heartbeats(path: str, words: str) -> None:
    """Where a probe serves a request itself, its result counts and the age of the heartbeat does not."""
    hung, served = Service(HUNG), Service(READY)
    assert words in call(AdminApplication(served, probe=lambda: True), path=path).body.decode()
    assert call(AdminApplication(served, probe=lambda: False), path=path).status.startswith("503")
    if path == "/healthz":
        assert call(AdminApplication(hung, probe=lambda: True), path=path).status == "200 OK"


def test_status_is_json_with_the_history_on_request() -> None:
    """/status has the workers and totals; ?since= adds the rows of the history that are younger than that age."""
    asked = Service(service(worker(requests=5.0), age=1.0))
    application = AdminApplication(asked)
    for age in (1.0, 2.0, 3.0):
        asked.now = service(worker(requests=5.0), age=age)
        application.sample()
    found = json.loads(call(application, path="/status").body)
    assert found["state"] == "ready"
    assert found["workers"][0] | {"pid": 11, "state": "ready", "requests": 5, "threads": 4} == found["workers"][0]
    assert "history" not in found
    history = json.loads(call(application, path="/status", QUERY_STRING="since=2").body)["history"]
    assert [row[0] for row in history["rows"]] == [3.0]
    assert history["columns"][0] == "age"
    assert call(application, path="/status", QUERY_STRING="since=x").status == "400 Bad Request"


def test_metrics_end_with_those_of_the_application() -> None:
    """The application's metrics follow the server's."""

    class Own:
        def text(self) -> str:
            return "orders_total 3\n"

    metrics: Any = Own()
    text = call(AdminApplication(Service(READY), metrics=metrics), path="/metrics").body.decode()
    assert "\nwiverno_ready 1\n" in text
    assert text.endswith("orders_total 3\n")
    assert "orders" not in call(AdminApplication(Service(READY)), path="/metrics").body.decode()


def test_the_page_may_run_only_what_it_contains() -> None:
    """The page's policy permits its own script and nothing from elsewhere."""
    found = call(AdminApplication(Service(READY)), path="/")
    assert found.headers["content-type"].startswith("text/html")
    assert found.headers["content-security-policy"].startswith("default-src 'none'")
    assert b"<html" in found.body


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_wants_post_and_a_field_that_browsers_do_not_send(action: str) -> None:
    asked = Service(READY)
    application = AdminApplication(asked)
    assert call(application, "GET", f"/{action}", **CONTROLLED).status == "405 Method Not Allowed"
    assert call(application, "POST", f"/{action}").status == "403 Forbidden"
    assert asked.asked == []
    found = call(application, "POST", f"/{action}", **CONTROLLED)
    assert (found.status, found.body.decode()) == ("202 Accepted", f"{action} has begun\n")
    assert asked.asked == [action]


def test_a_refused_action_says_why() -> None:
    asked = Service(READY)
    asked.refusal = "one process can't reload"
    found = call(AdminApplication(asked), "POST", "/reload", **CONTROLLED)
    assert (found.status, found.body) == ("409 Conflict", b"one process can't reload\n")


def test_nothing_changes_through_a_public_address() -> None:
    """On an address that other machines reach there are views only, under any name."""
    asked = Service(READY)
    application = AdminApplication(asked, is_public=True)
    assert call(application, "POST", "/stop", **CONTROLLED).status == "403 Forbidden"
    assert asked.asked == []
    assert call(application, path="/readyz", HTTP_HOST="shop.example").status == "200 OK"


@pytest.mark.parametrize(
    ("host", "is_answered"),
    [("localhost:9000", True), ("127.0.0.1", True), ("[::1]:9000", True), ("", True), ("evil.example", False)],
)
def test_a_local_address_answers_to_names_that_no_dns_server_can_redirect(host: str, is_answered: bool) -> None:
    found = call(AdminApplication(Service(READY)), path="/status", HTTP_HOST=host)
    assert (found.status == "200 OK") == is_answered


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("GET", "/other", "404 Not Found"), ("POST", "/status", "405 Method Not Allowed"), ("HEAD", "/status", "200 OK")],
)
def test_other_paths_and_methods(method: str, path: str, expected: str) -> None:
    found: Answer = call(AdminApplication(Service(READY)), method, path)
    assert found.status == expected
