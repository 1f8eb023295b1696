"""Certificates: read, renewed, and refused with words that name the file."""

from __future__ import annotations

import os
import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.settings import Adjustments
from wiverno.core.tls import Certificates

DATA = Path(__file__).resolve().parents[2] / "data" / "tls"


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
    certificates.renew(only_if_changed=True)
    assert certificates.context is first
    (files / "a.pem").write_text("garbage")
    for _ in range(3):
        certificates.renew(only_if_changed=True)
    assert certificates.context is first
    assert len(caplog.records) == 1
    assert "the certificates stay as they are: certfile" in caplog.text
    for name in ("pem", "key"):
        shutil.copy(DATA / f"second.{name}", files / f"a.{name}")
    certificates.renew(only_if_changed=True)
    assert certificates.context is not first


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda files: (files / "a.pem").unlink(), "a.pem, keyfile .*a.key: No such file or directory"),
        (lambda files: (files / "a.pem").write_text("x"), "no PEM certificate or key in it"),
        (lambda files: shutil.copy(DATA / "second.key", files / "a.key"), "the key does not belong to the certificate"),
    ],
    ids=["missing", "garbage", "other key"],
)
def test_mistakes_name_the_file(files: Path, spoil: Any, words: str) -> None:
    spoil(files)
    with pytest.raises(OSError, match=words):
        Certificates(settings(files))


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
