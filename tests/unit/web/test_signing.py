"""Signed texts come back as they were signed, or not at all."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from itsdangerous import URLSafeTimedSerializer
from itsdangerous.timed import TimestampSigner

from wiverno.web.signing import Signer

SECRET = "a secret of thirty-two letters ..."


@pytest.mark.parametrize("value", [{"a": [1, None, "é"]}, "text", 7, [], {"long": "x" * 2000}])
def test_values_come_back(value: Any) -> None:
    text = Signer(SECRET).sign(value)
    assert text.replace("-", "").replace("_", "").replace(".", "").isalnum()
    assert Signer(SECRET.encode()).read(text) == value


@pytest.mark.parametrize("text", ["", None, "x", "a.b.c", "....", "\xff.x.y", "." * 9000])
def test_other_texts_are_none(text: str | None) -> None:
    assert Signer(SECRET).read(text) is None


def test_changed_texts_and_other_purposes_are_none() -> None:
    """Neither a changed letter, nor another secret, nor another purpose."""
    text = Signer(SECRET, "reset").sign("ann")
    assert Signer(SECRET, "reset").read(text) == "ann"
    assert Signer(SECRET, "session").read(text) is None
    assert Signer(SECRET[::-1], "reset").read(text) is None
    for place in range(len(text)):
        other = "A" if text[place] != "A" else "B"
        changed = text[:place] + other + text[place + 1 :]
        # The last letter of base64 has bits that mean nothing.
        assert place == len(text) - 1 or Signer(SECRET, "reset").read(changed) is None


def test_rotation() -> None:
    """The first secret signs, and all of them are tried."""
    old, new = "old" * 8, "new" * 8
    before = Signer(old).sign("x")
    both = Signer([new, old])
    assert both.read(before) == "x"
    assert Signer(new).read(both.sign("y")) == "y"
    assert Signer(old).read(both.sign("y")) is None
    assert Signer([new]).read(before) is None


def test_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is valid for ``max_age`` seconds, and one that was signed in the future is not."""
    signer = Signer(SECRET)
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: 1_000_000)
    text = signer.sign("x")
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: 1_000_060)
    assert (signer.read(text, 60), signer.read(text, 59), signer.read(text)) == ("x", None, "x")
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: 999_990)
    assert signer.read(text, 60) is None


def test_a_signed_text_that_is_no_json_is_none() -> None:
    import hashlib

    other = URLSafeTimedSerializer(
        SECRET, salt="wiverno.signer", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
    )
    text = other.make_signer("wiverno.signer").sign(b"bm90IGpzb24").decode()
    assert Signer(SECRET).read(text) is None


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        ("", "has at least 16 bytes, and there is none"),
        ([], "there is none"),
        ("changeme", "one is shorter"),
        (["x" * 16, "short"], "one is shorter"),
    ],
)
def test_weak_secrets_are_refused(secrets: Any, message: str) -> None:
    """The message says how to make one, and shows none."""
    with pytest.raises(ValueError, match=f"{message}; make one with: python -c 'import secrets; print") as raised:
        Signer(secrets)
    assert "changeme" not in str(raised.value)


def test_without_itsdangerous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "itsdangerous", None)
    with pytest.raises(ImportError, match=r"pip install 'wiverno\[sessions\]>=2'"):
        Signer(SECRET)


def test_what_json_cannot_hold_is_an_error() -> None:
    for value in (float("nan"), {1, 2}):
        with pytest.raises((TypeError, ValueError)):
            Signer(SECRET).sign(value)


@pytest.mark.parametrize("secrets", [None, 5, [None], ["x" * 16, 5]])
def test_a_secret_that_is_no_text(secrets: Any) -> None:
    """A variable that is not set (`os.environ.get`) is named as the likely cause."""
    with pytest.raises(TypeError, match=r"^a secret is text or bytes, not ") as caught:
        Signer(secrets)
    assert ("environment variable" in str(caught.value)) == ("NoneType" in str(caught.value))
