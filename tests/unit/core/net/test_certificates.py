"""Certificates: read, renewed, and refused with words that name the file."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import PATIENCE, wait_until
from wiverno.config.settings import Adjustments
from wiverno.core.net.certificates import LARGEST, Certificates

DATA = Path(__file__).resolve().parents[3] / "data" / "tls"


def settings(directory: Path, **more: Any) -> Adjustments:
    return Adjustments.from_keywords(certfile=str(directory / "a.pem"), keyfile=str(directory / "a.key"), **more)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    shutil.copy(DATA / "first.pem", tmp_path / "a.pem")
    shutil.copy(DATA / "first.key", tmp_path / "a.key")
    return tmp_path


def test_defaults_are_modern(files: Path) -> None:
    """TLS 1.2 at least; every cipher has forward secrecy and authenticates what it encrypts."""
    context = Certificates(settings(files)).context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE
    for cipher in context.get_ciphers():
        assert cipher["aead"], cipher["name"]
        assert cipher["protocol"] == "TLSv1.3" or cipher["name"].startswith("ECDHE"), cipher["name"]
    strict = Certificates(settings(files, tls_min_version="1.3")).context
    assert strict.minimum_version == ssl.TLSVersion.TLSv1_3


def test_renewal(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Changed files give a new context; broken ones change nothing and are reported once."""
    caplog.set_level("INFO", "wiverno")
    certificates = Certificates(settings(files))
    first = certificates.context
    certificates.renew(only_if_changed=True, wait=PATIENCE)
    assert certificates.context is first
    (files / "a.pem").write_text("garbage")
    for _ in range(3):
        certificates.renew(only_if_changed=True, wait=PATIENCE)
    assert certificates.context is first
    assert len(caplog.records) == 1
    assert "keeping the current certificates: certfile" in caplog.text
    for name in ("pem", "key"):
        shutil.copy(DATA / f"second.{name}", files / f"a.{name}")
    certificates.renew(only_if_changed=True, wait=PATIENCE)
    assert certificates.context is not first


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda files: (files / "a.pem").unlink(), "^certfile .*a.pem: No such file or directory"),
        (lambda files: (files / "a.pem").write_text("x"), "no PEM certificate or key in it"),
        (lambda files: shutil.copy(DATA / "second.key", files / "a.key"), "the key does not belong to the certificate"),
    ],
    ids=["missing", "garbage", "other key"],
)
def test_mistakes_name_the_file(files: Path, spoil: Any, words: str) -> None:
    spoil(files)
    with pytest.raises(OSError, match=words):
        Certificates(settings(files))


def flood(path: Path) -> None:
    path.touch()
    os.truncate(path, LARGEST + 1)


def in_place(path: Path, make: Any) -> None:
    path.unlink()
    make(path)


IN_PLACE: dict[str, tuple[Any, str]] = {
    "FIFO": (os.mkfifo, "it is a FIFO, not a file"),
    "directory": (os.mkdir, "it is a directory, not a file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a file"),
    "socket": (lambda path: os.mknod(path, stat.S_IFSOCK | 0o600), "it is a socket, not a file"),
    "flood": (flood, f"it has {LARGEST + 1} bytes, more than any certificate"),
}


@pytest.mark.parametrize("kind", IN_PLACE)
@pytest.mark.parametrize("name", ["certfile", "keyfile", "ca_certs"])
def test_what_is_no_file_is_not_read(files: Path, name: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither at the start, which it would hold up, nor later; the message says what it is."""
    make, words = IN_PLACE[kind]
    shutil.copy(DATA / "ca.pem", files / "ca.pem")
    given = settings(files, ca_certs=str(files / "ca.pem"))
    certificates = Certificates(given)
    first = certificates.context
    path = Path(getattr(given, name))
    in_place(path, make)
    certificates.renew(wait=PATIENCE)
    assert certificates.context is first
    assert f"keeping the current certificates: {name} {path}: {words}" in caplog.text
    with pytest.raises(OSError, match=f"{name} {path}: {words}"):
        Certificates(given)


class Hanging(Certificates):
    """Certificates on a disk that does not answer while `holds` is set."""

    holds = False
    answer = threading.Event()

    def _state(self) -> tuple[object, ...]:
        if self.holds:
            self.answer.wait(PATIENCE)
        return super()._state()


def test_a_disk_that_does_not_answer(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It holds up a start for a bounded time and the leader not at all; one thread waits, and it is told once."""
    certificates = Hanging(settings(files))
    first = certificates.context
    certificates.holds = True
    certificates.answer.clear()
    before = threading.active_count()
    began = time.monotonic()
    for _ in range(5):
        certificates.renew(only_if_changed=True)
    assert time.monotonic() - began < 1
    assert threading.active_count() == before + 1
    assert caplog.text.count("still being read") == 1
    shutil.copy(DATA / "second.pem", files / "a.pem")
    shutil.copy(DATA / "second.key", files / "a.key")
    certificates.answer.set()
    wait_until(lambda: certificates.context is not first)
    wait_until(lambda: threading.active_count() == before)
    certificates.holds = False
    certificates.renew(only_if_changed=True, wait=PATIENCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hanging, "holds", True)
        patch.setattr("wiverno.core.net.certificates.READ_TIMEOUT", 0.05)
        certificates.answer.clear()
        with pytest.raises(OSError, match=r"a\.pem, keyfile .*a\.key: could not be read within 0\.05 s"):
            Hanging(settings(files))
        certificates.answer.set()


def test_authorities_that_cannot_be_read(files: Path) -> None:
    with pytest.raises(OSError, match=r"ca_certs /no/where: No such file"):
        Certificates(settings(files, ca_certs="/no/where", client_cert="required"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"keyfile": "x"}, "keyfile: has no meaning without certfile"),
        ({"certfile": "x", "client_cert": "required"}, "client_cert: needs ca_certs"),
        ({"certfile": "x", "tls_min_version": "1.1"}, "tls_min_version: expected '1.2' or '1.3'"),
    ],
)
def test_settings_that_contradict(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Adjustments.from_keywords(**values)


def test_plain_servers_do_not_load_openssl() -> None:
    """Importing the server costs nothing for TLS."""
    import subprocess
    import sys

    code = "import sys, wiverno.core.server; sys.exit('ssl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, env=dict(os.environ)).returncode == 0


def contents_of(files: Path) -> list[bytes]:
    return [(files / name).read_bytes() for name in ("a.pem", "a.key")]


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="files in memory are Linux's")
def test_renewal_with_help(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where another process reads the files, their contents decide; what it can't read is reported once."""
    caplog.set_level("INFO", "wiverno")
    certificates = Certificates(settings(files, ca_certs=str(DATA / "ca.pem"), client_cert="optional"))
    answers: list[list[bytes] | OSError] = []

    def read() -> list[bytes]:
        answer = answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    authorities = (DATA / "ca.pem").read_bytes()
    certificates.read_with(read)
    first = certificates.context
    for answer in (
        [*contents_of(files), authorities],
        OSError(13, "a.key: Permission denied"),
        [b"garbage", b"", authorities],
    ):
        answers[:] = [answer]
        for _ in range(2):
            certificates.renew(only_if_changed=True, wait=PATIENCE)
        assert certificates.context is first
    for name in ("pem", "key"):
        shutil.copy(DATA / f"second.{name}", files / f"a.{name}")
    answers[:] = [[*contents_of(files), authorities]]
    certificates.renew(only_if_changed=True, wait=PATIENCE)
    assert certificates.context is not first
    names = f"{files}/a.pem, keyfile {files}/a.key"
    assert [record.message for record in caplog.records] == [
        "keeping the current certificates: a.key: Permission denied",
        f"keeping the current certificates: certfile {names}: no PEM certificate or key in it",
        f"certificates read from {files}/a.pem",
    ]


def test_fixed_certificates(files: Path) -> None:
    """A worker that its supervisor replaces does not read the files again."""
    certificates = Certificates(settings(files))
    first = certificates.context
    certificates.is_fixed = True
    for name in ("pem", "key"):
        shutil.copy(DATA / f"second.{name}", files / f"a.{name}")
    certificates.renew(wait=PATIENCE)
    assert certificates.context is first
