"""`wiverno ctl` as its user sees it: texts and exit statuses, with a service that the test makes up."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.support.statuses import service, worker
from wiverno.admin.application import describe_status
from wiverno.admin.client import AdminClient, NoAnswerError
from wiverno.cli import ctl as module
from wiverno.cli.group import group
from wiverno.config.settings import Address

ADDRESS = "127.0.0.1:9123"


class Service:
    """What the client of `wiverno ctl` reaches: statuses in turn, and an answer to actions."""

    def __init__(self) -> None:
        self.statuses: list[dict[str, Any]] = [describe_status(service(worker(requests=3.0, resident=2.0**21)))]
        self.answer = (True, "it has begun")
        self.asked: list[str] = []
        self.error: NoAnswerError | None = None
        self.address: Address | None = None

    def status(self, client: AdminClient) -> dict[str, Any]:
        self.address = client.address
        if self.error is not None:
            raise self.error
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    def ask(self, client: AdminClient, action: str) -> tuple[bool, str]:
        self.address = client.address
        self.asked.append(action)
        return self.answer


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Service:
    found = Service()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(AdminClient, "status", lambda client: found.status(client))
    monkeypatch.setattr(AdminClient, "ask", lambda client, action: found.ask(client, action))
    return found


def ctl(*words: str) -> Result:
    return CliRunner().invoke(group, ["ctl", *words])


def test_status_in_words(served: Service) -> None:
    """The first line says whether it is ready and where; the table has a line for each process."""
    served.statuses = [
        describe_status(
            service(worker(11, requests=3.0, busy=1.0, resident=2.0**21), age=7200.0, restarts={"timeout": 2})
        )
    ]
    done = ctl("status", "--admin", ADDRESS)
    assert done.exit_code == 0
    assert str(served.address) == ADDRESS
    lines = done.output.splitlines()
    assert lines[0] == "ready  process 7, up 2.0 h, wiverno 2.0, http://127.0.0.1:80"
    assert lines[1] == "requests     3 (none yet)"
    assert "replaced     2 timeout" in lines
    assert lines[-1].split() == ["11", "ready", "1", "10", "s", "3", "0", "1/4", "0", "2", "MiB"]


def test_a_service_that_is_not_ready_has_status_1_and_its_last_failure(served: Service) -> None:
    served.statuses = [describe_status(service(state="starting", last_failure="shop.py: no module", reloads=(0, 1)))]
    done = ctl("--admin", ADDRESS, "status")
    assert done.exit_code == 1
    assert done.output.startswith("starting  process 7")
    assert done.output.endswith("\nthe last reload failed:\nshop.py: no module\n")


def test_status_as_json_is_what_the_service_said(served: Service) -> None:
    assert json.loads(ctl("status", "--json", "--admin", ADDRESS).output) == json.loads(json.dumps(served.statuses[0]))


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (["stop"], "stop"),
        (["reopen"], "reopen"),
        (["workers", "--more"], "more"),
        (["workers", "--fewer"], "fewer"),
        (["reload", "--no-wait"], "reload"),
    ],
)
def test_actions(served: Service, words: list[str], action: str) -> None:
    """An action prints the service's sentence, on standard error with status 1 if it is refused."""
    done = ctl("--admin", ADDRESS, *words)
    assert (done.exit_code, done.output) == (0, "it has begun\n")
    assert served.asked == [action]
    served.answer = (False, "one process can't do that")
    refused = ctl("--admin", ADDRESS, *words)
    assert (refused.exit_code, refused.output) == (1, "error: one process can't do that\n")


def test_workers_lists_the_processes(served: Service) -> None:
    served.statuses = [describe_status(service(worker(11), worker(12)))]
    lines = ctl("workers", "--admin", ADDRESS).output.splitlines()
    assert [line.split()[0] for line in lines] == ["process", "11", "12"]


@pytest.mark.parametrize(
    ("reloads", "status", "text"),
    [((1, 0), 0, "reloaded: the new workers serve\n"), ((0, 1), 1, "still running the previous configuration:\nbad\n")],
)
def test_reload_waits_for_its_outcome(
    served: Service, reloads: tuple[int, int], status: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    before = describe_status(service(worker()))
    served.statuses = [before, before, describe_status(service(worker(), reloads=reloads, last_failure="bad"))]
    done = ctl("reload", "--admin", ADDRESS)
    assert done.exit_code == status
    assert done.output.endswith(text)


def test_reload_ends_when_its_time_is_over(served: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RELOAD_TIMEOUT", -1.0)
    done = ctl("reload", "--admin", ADDRESS)
    assert done.exit_code == 1
    assert "the reload has not finished after" in done.output


def test_no_answer_has_status_1_and_a_hint(served: Service) -> None:
    served.error = NoAnswerError("no answer from 127.0.0.1:9123: Connection refused")
    done = ctl("status", "--admin", ADDRESS)
    assert done.exit_code == 1
    assert "Connection refused; is the server running, and was it started with this configuration?" in done.output


def test_the_address_stands_in_the_configuration(served: Service, tmp_path: Path) -> None:
    """A file's table, also another one than main, says where to ask."""
    (tmp_path / "a.toml").write_text('[server]\nadmin_listen = "127.0.0.1:1"\n')
    assert ctl("--config", "a.toml", "status").exit_code == 0
    assert str(served.address) == "127.0.0.1:1"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["status"], "no admin address: set admin_listen"),
        (["workers", "--more", "--fewer", "--admin", ADDRESS], "--more and --fewer contradict each other"),
        (["--admin", ADDRESS, "status", "--admin", "127.0.0.1:2"], "--admin is given twice"),
        (["--config", "a.toml", "status", "--config", "b.toml"], "--config is given twice"),
        (["--config", "missing.toml", "status"], "missing.toml"),
    ],
)
def test_mistakes_have_status_2(served: Service, words: list[str], text: str) -> None:
    done = ctl(*words)
    assert done.exit_code == 2
    assert text in done.output
    assert not served.asked


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (90, "1.5 min"), (5400, "1.5 h"), (129600, "1.5 d")]
)
def test_spans_have_their_largest_unit(seconds: float, text: str) -> None:
    assert module._span(seconds) == text
