"""The access log: formats, escaping, selection, the file."""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.errors import BadValue
from wiverno.config.fields.access_log_format import LOG_FIELDS, access_format
from wiverno.core.telemetry import log_formats
from wiverno.core.telemetry.access_log import AccessLog
from wiverno.core.telemetry.log_formats import Record, find_format, needs_request_id, needs_times
from wiverno.core.telemetry.request_recorder import ErrorResponseHead, RequestRecorder

OK = ErrorResponseHead(200)
STAMP = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"


def environ(**changed: Any) -> dict[str, Any]:
    made = {
        "REQUEST_METHOD": "GET", "REQUEST_URI": "/a?b=c", "QUERY_STRING": "b=c", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.9", "HTTP_HOST": "shop.example", "wsgi.url_scheme": "https",
        "HTTP_REFERER": "https://example.org/", "HTTP_USER_AGENT": "test/1", "wiverno.request_id": "r-1",
        "HTTP_X_SHOP": "north", "CONTENT_TYPE": "text/plain",
    }  # fmt: skip
    return made | changed


def record(log: AccessLog, made: dict[str, Any], head: ErrorResponseHead = OK) -> Record:
    return log.values(made), made.get("REMOTE_USER"), made["REQUEST_METHOD"], head, 5, 1.0, 1.25, 1.75


def written(tmp_path: Path, form: str, *environs: dict[str, Any], code: int = 200, **selection: Any) -> list[str]:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.log"
    log = AccessLog(str(path), form, **selection)
    log.write([record(log, one, ErrorResponseHead(code)) for one in environs])
    log.close()
    return path.read_bytes().decode("ascii").splitlines()


def test_common(tmp_path: Path) -> None:
    [line] = written(tmp_path, "common", environ(REMOTE_USER="ann"))
    assert re.fullmatch(rf'203\.0\.113\.9 - ann {STAMP} "GET /a\?b=c HTTP/1\.1" 200 5', line)


def test_combined(tmp_path: Path) -> None:
    without = environ()
    del without["HTTP_REFERER"]
    first, second = written(tmp_path, "combined", environ(), without)
    assert re.fullmatch(
        rf'203\.0\.113\.9 - - {STAMP} "GET /a\?b=c HTTP/1\.1" 200 5 "https://example\.org/" "test/1"', first
    )
    assert second.endswith('200 5 "-" "test/1"')


def test_json(tmp_path: Path) -> None:
    [line] = written(tmp_path, "json", environ())
    row = json.loads(line)
    assert datetime.fromisoformat(row.pop("time")).tzinfo is not None
    assert row == {
        "remote": "203.0.113.9", "user": None, "method": "GET", "uri": "/a?b=c", "protocol": "HTTP/1.1",
        "host": "shop.example", "status": 200, "bytes": 5, "referer": "https://example.org/", "agent": "test/1",
        "seconds": 0.5, "wait_seconds": 0.25, "id": "r-1", "pid": os.getpid(),
    }  # fmt: skip


def test_own_format_has_every_field(tmp_path: Path) -> None:
    """The fields that the settings accept are those that the log knows."""
    assert set(LOG_FIELDS) == {*log_formats._VARIABLES, *log_formats._OTHERS}
    form = "|".join(f"{{{name}}}" for name in LOG_FIELDS if "time" not in name)
    [line] = written(tmp_path, form, environ())
    assert line.split("|") == [
        "203.0.113.9", "-", "GET /a?b=c HTTP/1.1", "GET", "/a?b=c", "/a", "b=c", "HTTP/1.1", "shop.example", "https",
        "200", "5", "https://example.org/", "test/1", "0.500000", "500.000", "0.250000", "250.000", "r-1",
        str(os.getpid()),
    ]  # fmt: skip
    [line] = written(tmp_path, "100% {header:X-Shop} {header:Content-Type} {header:X-None} {time}", environ())
    assert re.fullmatch(r"100% north text/plain - \d\d/.*", line)


ATTACKS = ['a"b', "a\nFAKE", "a\r\nFAKE", "\x1b[31m", "a\\b", "a\x00b", "\x7f", "ü", "\t", "\u2028", '" 200 5 "']


@pytest.mark.parametrize("attack", ATTACKS, ids=repr)
@pytest.mark.parametrize("form", ["common", "combined", "json", '{remote} "{request}" "{agent}" {user}'])
def test_one_response_is_one_line(tmp_path: Path, form: str, attack: str) -> None:
    """Security case 42: whatever stands in a field, a line stays a line of printable ASCII with its quotes in pairs."""
    fields = {"REQUEST_URI": f"/{attack}", "HTTP_USER_AGENT": attack, "HTTP_REFERER": attack, "REMOTE_USER": attack}
    lines = written(tmp_path, form, environ(), environ(**fields), environ())
    assert len(lines) == 3
    for line in lines:
        assert re.fullmatch(r"[\x20-\x7e]+", line)
    if form == "json":
        assert json.loads(lines[1])["agent"] == attack
    else:
        unescaped = re.sub(r"\\.", "", lines[1])
        assert unescaped.count('"') == re.sub(r"\\.", "", lines[0]).count('"')
    assert re.sub(r"[\d:]+", "", lines[0]) == re.sub(r"[\d:]+", "", lines[2])


def test_escapes_are_readable(tmp_path: Path) -> None:
    [line] = written(
        tmp_path, '"{agent}" {path}', environ(HTTP_USER_AGENT='a"\\\n\xfc\u20ac\U0001f600', REQUEST_URI="/\x1b")
    )
    assert line == '"a\\"\\\\\\x0a\\xfc\\u20ac\\U0001f600" /\\x1b'


def test_selection(tmp_path: Path) -> None:
    """Paths are left out and others sampled, but every error of the server is there."""
    paths = ["/healthz", "/healthz?x", "/static/a", "/static", *["/shop"] * 6]
    environs = [environ(REQUEST_URI=path) for path in paths]
    selection: dict[str, Any] = {"sample": 3, "skip": ("/healthz", "/static/*")}
    assert written(tmp_path, "{path}", *environs, **selection) == ["/shop", "/shop"]
    assert len(written(tmp_path, "{path}", *environs, code=500, **selection)) == len(paths)


def test_a_fifo_in_place_of_a_log_blocks_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Opening one waits for its reader: at rotation the old file stays, and logging's are left alone."""
    path, other = tmp_path / "access.log", tmp_path / "error.log"
    log = AccessLog(str(path), "{path}")
    recorder = RequestRecorder(log)
    handler = logging.FileHandler(other)
    try:
        for file in (path, other):
            file.unlink()
            os.mkfifo(file)
        recorder.reopen()
        assert "can't be reopened: No such device or address" in caplog.text
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        recorder.reopen()
        recorder.record(record(log, environ(REQUEST_URI="/1")))
        recorder.flush()
        assert os.read(reader, 1000) == b"/1\n"
        os.close(reader)
    finally:
        handler.close()
        recorder.close()


def test_reopen_after_rotation(tmp_path: Path) -> None:
    """After a rename the old file keeps its lines and the new one gets the next."""
    path = tmp_path / "access.log"
    log = AccessLog(str(path), "{path}")
    recorder = RequestRecorder(log)
    recorder.record(record(log, environ(REQUEST_URI="/1")))
    path.rename(tmp_path / "old.log")
    recorder.reopen()
    recorder.record(record(log, environ(REQUEST_URI="/2")))
    recorder.close()
    assert (tmp_path / "old.log").read_text() == "/1\n"
    assert path.read_text() == "/2\n"


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "access.log"), "common")
    log.close()
    log.close()
    log.write([record(log, environ())])
    assert (tmp_path / "access.log").read_text() == ""


def test_a_full_disk_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    log = AccessLog("/dev/full", "common")
    for _ in range(3):
        log.write([record(log, environ())])
    assert [one.getMessage() for one in caplog.records] == [
        "the access log /dev/full can't be written, lines are lost: No space left on device"
    ]
    log.close()


def test_to_a_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "wiverno.access")
    log = AccessLog("logging", '"{agent}"')
    log.write([record(log, environ(HTTP_USER_AGENT=agent)) for agent in ("a", "b\n%s")])
    log.close()
    assert [one.getMessage() for one in caplog.records] == ['"a"', '"b\\x0a%s"']


def test_ids(tmp_path: Path) -> None:
    """A trusted proxy's id is kept if it is a plausible one; all others are the server's own and unique."""
    recorder = RequestRecorder(None)
    given = {"HTTP_X_REQUEST_ID": "f00-1"}
    assert recorder.request_id(given, trusted=True) == "f00-1"
    bad: list[dict[str, str]] = [{}, {"HTTP_X_REQUEST_ID": "a b"}, {"HTTP_X_REQUEST_ID": "x" * 129}]
    made = [recorder.request_id(given, trusted=False), *(recorder.request_id(one, trusted=True) for one in bad)]
    assert len(set(made)) == 4
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", one) for one in made)


@pytest.mark.parametrize(
    ("form", "times", "ids"),
    [("common", False, False), ("combined", False, False), ("json", True, True), ("{id}", False, True),
     ("{wait_milliseconds}", True, False), ("{remote}", False, False)],
)  # fmt: skip
def test_what_a_format_needs(form: str, times: bool, ids: bool) -> None:
    assert (needs_times(form), needs_request_id(form)) == (times, ids)


@pytest.mark.parametrize(
    ("form", "message"),
    [("combind", "did you mean"), ("{satus}", "there is no field {satus}"), ("{a}", "there is no field"),
     ("{status", "stands alone"), ("{status}}", "stands alone"), ("{status}\n", ""), ("{header:a b}", "no field"),
     ("{sta\x07tus}", "control")],
)  # fmt: skip
def test_formats_that_are_refused(form: str, message: str) -> None:
    if not message:
        assert access_format().read(form) == form.strip()
        return
    with pytest.raises(BadValue) as caught:
        access_format().read(form)
    assert message in f"{caught.value} {caught.value.hint}"


def test_format_names_in_any_case() -> None:
    assert access_format().read("JSON") == "json"
    assert find_format(access_format().read("{status}")).quotes == 0


@pytest.mark.parametrize("form", ["common", "combined", "json", "{request}"])
def test_what_is_missing_is_a_dash(tmp_path: Path, form: str) -> None:
    """The lines of others are untouched."""
    lines = written(tmp_path, form, environ(), {"REQUEST_METHOD": "GET"}, environ())
    assert len(lines) == 3
    assert "/a?b=c" in lines[0]
    assert "/a?b=c" not in lines[1]
