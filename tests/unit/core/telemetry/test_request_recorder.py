"""What is noted of responses: by a gateway that records, into an access log and counters."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import POLLERS, Rig
from wiverno.config.settings import Adjustments
from wiverno.core.context import new_context, new_recorder
from wiverno.core.telemetry.counters import Counters
from wiverno.core.telemetry.request_recorder import RequestRecorder

GET = b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nX-Request-ID: given-1\r\n\r\n"


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


@contextmanager
def recording(
    application: Any, recorder: RequestRecorder, *, is_threaded: bool = True, **settings: Any
) -> Iterator[Rig]:
    adjustments = Adjustments.from_keywords(**settings)
    context = new_context(application, adjustments, is_threaded=is_threaded, recorder=recorder)
    made = Rig(context, POLLERS["selectors"]())
    try:
        yield made
    finally:
        made.close()
        recorder.close()


def recorder_for(tmp_path: Path, form: str, **settings: Any) -> RequestRecorder:
    found = new_recorder(
        Adjustments.from_keywords(access_log=str(tmp_path / "a.log"), access_log_format=form, **settings)
    )
    assert found is not None
    return found


def lines(tmp_path: Path, recorder: RequestRecorder) -> list[str]:
    recorder.flush()
    return (tmp_path / "a.log").read_text().splitlines()


def get(made: Rig, request: bytes = GET) -> tuple[int, dict[str, str], bytes]:
    _, client = made.connect()
    client.send(request)
    made.until(made.turn)
    made.run_until_idle()
    return client.response()


def test_nothing_is_recorded_without_an_access_log() -> None:
    assert new_recorder(Adjustments.from_keywords()) is None


def test_a_plain_log_has_a_line_with_the_user_of_the_application(tmp_path: Path) -> None:
    """REMOTE_USER is the one variable that the log takes from the application, as text whatever it is."""

    class User(str):
        def __str__(self) -> str:
            return "ada"

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["REMOTE_USER"] = User("lazy")
        environ["PATH_INFO"] = "/changed"
        return hello(environ, start_response)

    recorder = recorder_for(tmp_path, "common")
    assert recorder.is_plain
    with recording(application, recorder) as made:
        assert get(made)[2] == b"hello"
        (line,) = lines(tmp_path, recorder)
    assert '"GET /a?b=c HTTP/1.1" 200 5' in line
    assert " ada [" in line or " lazy [" in line


def test_a_user_that_raises_stays_unknown(tmp_path: Path) -> None:
    class Broken:
        def __str__(self) -> str:
            raise SystemExit("not from a signal")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["REMOTE_USER"] = Broken()
        return hello(environ, start_response)

    for form in ("common", "json"):
        recorder = recorder_for(tmp_path, form)
        with recording(application, recorder) as made:
            assert get(made)[0] == 200
    assert len((tmp_path / "a.log").read_text().splitlines()) == 2


@pytest.mark.parametrize(("given", "is_trusted", "is_kept"), [
    ("given-1", True, True), ("given-1", False, False), ("a b", True, False), ("x" * 129, True, False),
])  # fmt: skip
def test_an_id_comes_from_a_trusted_proxy_or_is_made(given: str, is_trusted: bool, is_kept: bool) -> None:
    recorder = RequestRecorder(None)
    found = recorder.request_id({"HTTP_X_REQUEST_ID": given}, trusted=is_trusted)
    assert (found == given) == is_kept
    assert recorder.request_id({}, trusted=True) not in (found, given)


def test_the_application_sees_the_id_that_the_log_has(tmp_path: Path) -> None:
    seen: list[str] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ["wiverno.request_id"])
        return hello(environ, start_response)

    recorder = recorder_for(tmp_path, "json")
    with recording(application, recorder) as made:
        get(made)
        (line,) = lines(tmp_path, recorder)
    assert seen[0] in json.loads(line).values()


def test_counters_get_class_bytes_and_times() -> None:
    recorder, counters = RequestRecorder(None), Counters()
    recorder.count_into(counters)
    with recording(hello, recorder) as made:
        get(made)
        recorder.flush()
        found = counters.read()
    assert found.classes["2xx"] == 1
    assert (found.totals["requests"], found.totals["bytes"]) == (1, 5)
    assert sum(found.latency) == sum(found.wait) == 1


def test_an_error_response_of_the_server_is_recorded(tmp_path: Path) -> None:
    """What has no request line is a hyphen in the log; the count of rejected requests grows."""
    recorder = recorder_for(tmp_path, "common")
    counters = Counters()
    recorder.count_into(counters)
    recorder.record_error_response({"REMOTE_ADDR": "10.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1"}, 400, 12)
    (line,) = lines(tmp_path, recorder)
    recorder.close()
    assert line.startswith("10.0.0.1 - - [")
    assert line.endswith('"- - HTTP/1.1" 400 12')
    found = counters.read()
    assert found.classes["4xx"] == 1
    assert (found.totals["requests"], sum(found.latency)) == (0, 0)


@pytest.mark.parametrize("form", ["common", "json"])
@pytest.mark.parametrize("is_read", [True, False])
def test_a_suspended_response_is_recorded_when_it_is_over(tmp_path: Path, form: str, is_read: bool) -> None:
    """Complete, or dropped because the client has gone: with the bytes that were sent until then."""
    size = 1 << 22

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(size))])
        return iter([b"x" * (size // 64)] * 64)

    recorder = recorder_for(tmp_path, form)
    with recording(application, recorder, is_threaded=False, outbuf_high_watermark=1 << 16) as made:
        connection, client = made.connect()
        client.send(GET)
        made.until(made.turn)
        made.run_until_idle()
        assert lines(tmp_path, recorder) == []
        if is_read:
            received = b""
            while len(received) < size:
                made.turn()
                received += client.socket.recv(1 << 20)
            made.run_until_idle()
        else:
            client.close()
            made.until(lambda: connection not in made.loop.connections)
        (line,) = lines(tmp_path, recorder)
    assert (str(size) in line) == is_read


class Log:
    """Stands where an access log stands."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.calls: list[str] = []
        self.error = error

    def values(self, environ: object) -> tuple[str, ...]:
        return ("-",)

    def write(self, batch: object) -> None:
        if self.error is not None:
            raise self.error
        self.calls.append("write")

    def check(self) -> None:
        self.calls.append("check")

    def reopen(self) -> None:
        self.calls.append("reopen")

    def close(self) -> None:
        self.calls.append("close")


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3)])
def test_what_can_not_be_written_is_counted_in_the_log(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """A format of the program's may raise anything; the server goes on."""
    log: Any = Log(error)
    recorder = RequestRecorder(log)
    recorder.record_error_response({}, 400, 0)
    recorder.record_error_response({}, 400, 0)
    recorder.flush()
    assert caplog.records[0].getMessage() == "2 response(s) are missing in the access log"
    recorder.flush()
    assert len(caplog.records) == 1


def test_files_are_opened_again_after_everything_was_written() -> None:
    log: Any = Log()
    recorder = RequestRecorder(log)
    recorder.record_error_response({}, 400, 0)
    recorder.check()
    recorder.reopen()
    recorder.record_error_response({}, 400, 0)
    recorder.close()
    assert log.calls == ["check", "write", "reopen", "write", "close"]
    bare = RequestRecorder(None)
    bare.check()
    bare.reopen()
    bare.close()
