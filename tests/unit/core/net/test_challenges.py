"""Challenge files: which ones are read, in which thread, and what happens if the disk does not answer."""

import logging
import os
import threading
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE, wait_until
from wiverno.core.net import challenges
from wiverno.core.net.challenges import LARGEST, MAX_WAITING, Challenges, read_challenge


def place(webroot: Path) -> Path:
    folder = webroot / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    return folder


def test_a_file_is_read(tmp_path: Path) -> None:
    """Its content is handed over in another thread; a missing file has none."""
    (place(tmp_path) / "token").write_bytes(b"token.key")
    found: list[tuple[bytes | None, bool]] = []
    reader = Challenges(str(tmp_path))
    for token in ("token", "missing"):
        assert reader.read(token, lambda content: found.append((content, threading.current_thread().daemon)))
    wait_until(lambda: len(found) == 2, what="both")
    assert found == [(b"token.key", True), (None, True)]


def test_what_is_no_challenge(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Links, FIFOs, directories and large files are refused; opening them never waits."""
    caplog.set_level(logging.WARNING)
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to("secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_bytes(b"x" * (LARGEST + 1))
    (tmp_path / "full").write_bytes(b"x" * LARGEST)
    (tmp_path / "empty").write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    assert [read_challenge(str(tmp_path), name) for name in ("link", "folder", "large", "fifo", "none")] == [None] * 5
    assert read_challenge(str(tmp_path), "full") == b"x" * LARGEST
    assert read_challenge(str(tmp_path), "empty") == b""
    assert [record.message.partition(str(tmp_path))[2] for record in caplog.records] == [
        f"/{name} is no file of at most 4096 bytes" for name in ("folder", "large", "fifo")
    ]


def test_an_error_in_the_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs the challenge that was read, not all that come after it: there is no memory, perhaps."""
    (place(tmp_path) / "token").write_bytes(b"token.key")
    reader, found = Challenges(str(tmp_path)), list[bytes | None]()
    with monkeypatch.context() as patch:
        patch.setattr(challenges, "read_challenge", lambda directory, token: 1 / 0)
        assert reader.read("token", found.append)
        wait_until(lambda: not reader._is_reading, what="the thread's end")
    assert found == [None]
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", raise_memory_error)
        assert not reader.read("token", found.append)
    assert reader.read("token", found.append)
    wait_until(lambda: len(found) == 2, what="the challenge")
    assert found == [None, b"token.key"]


def test_an_error_in_what_takes_the_content(tmp_path: Path) -> None:
    (place(tmp_path) / "token").write_bytes(b"token.key")
    reader, found = Challenges(str(tmp_path)), list[bytes | None]()

    def fail(content: bytes | None) -> None:
        raise SystemExit

    assert reader.read("token", fail)
    assert reader.read("token", found.append)
    wait_until(lambda: found == [b"token.key"], what="the second one")


def raise_memory_error(thread: threading.Thread) -> None:
    raise MemoryError


def test_a_disk_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread waits for it, a bounded number of requests wait for that thread, and all go on afterwards."""
    answers, is_asked = threading.Event(), threading.Event()

    def hang(directory: str, token: str) -> bytes:
        is_asked.set()
        answers.wait(PATIENCE)
        return token.encode()

    monkeypatch.setattr(challenges, "read_challenge", hang)
    reader, found = Challenges(str(tmp_path)), list[bytes | None]()
    assert reader.read("first", found.append)
    assert is_asked.wait(PATIENCE)
    for number in range(MAX_WAITING):
        assert reader.read(str(number), found.append)
    assert not reader.read("refused", found.append)
    assert sum(thread.name == "wiverno-challenges" for thread in threading.enumerate()) == 1
    answers.set()
    wait_until(lambda: len(found) == MAX_WAITING + 1, what="all")
    assert found == [b"first", *(str(number).encode() for number in range(MAX_WAITING))]
    wait_until(lambda: all(thread.name != "wiverno-challenges" for thread in threading.enumerate()), what="the end")
    assert reader.read("again", found.append)
    wait_until(lambda: found[-1] == b"again", what="another thread")


def test_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A limit of the system refuses this request and is forgotten."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    reader, found = Challenges(str(tmp_path)), list[bytes | None]()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert not reader.read("a", found.append)
    assert "ACME challenges can't be read: can't start new thread" in caplog.text
    assert reader.read("b", found.append)
    wait_until(lambda: found == [None], what="the answer")
