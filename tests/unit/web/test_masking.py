"""Secrets are recognised by the name of what holds them, and their values leave every text."""

from __future__ import annotations

import pytest

from wiverno.web.masking import MASK, Masker, is_secret_name, mask_url, shown


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "DB_PASSWORD",
        "passwd",
        "passphrase",
        "pass",
        "userPwd",
        "secret_key",
        "API_KEY",
        "apikey",
        "X-Api-Key",
        "accessKey",
        "token",
        "csrf_token",
        "Authorization",
        "Proxy-Authorization",
        "WWW-Authenticate",
        "auth",
        "oauth_code",
        "Cookie",
        "Set-Cookie",
        "session_id",
        "private_key",
        "credentials",
        "SENTRY_DSN",
        "signature",
        "HTTP_AUTHORIZATION",
    ],
)
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)
    assert shown(name, "value") == MASK


@pytest.mark.parametrize(
    "name", ["author", "authors", "passenger", "host", "user", "key", "path_params", "id", "monkey"]
)
def test_plain_names(name: str) -> None:
    assert not is_secret_name(name)
    assert shown(name, 7) == "7"


def test_passwords_in_addresses() -> None:
    assert mask_url("postgres://ann:hunter2@db/x") == f"postgres://ann:{MASK}@db/x"
    assert mask_url("http://host:80/a@b") == "http://host:80/a@b"


@pytest.mark.parametrize(
    "text",
    ["password = 'hunter2'", 'password="hunter2"', "Login(password='hunter2', n=1)", '{"token": "hunter2"}',
     "secret=hunter2", "api_key: hunter2", "self.password = b'hunter2'", "f(db_password=\"hun\\\"hunter2\")"],
)  # fmt: skip
def test_assignments_in_text(text: str) -> None:
    assert "hunter2" not in Masker().text(text)


def test_comparisons_and_other_code_stay() -> None:
    code = "if user.password == given: return author, x"
    assert Masker().text(code) == code


def test_learnt_values_leave_every_text() -> None:
    masker = Masker()
    masker.learn("config", {"db": {"password": "it's hunter2"}, "name": "plain"})
    masker.learn("Authorization", "Bearer abcdefghij")
    masker.learn("token", b"bytes-token")
    masker.learn("password", "abc")
    masker.learn("secret", {"inner": "nested-value"})
    text = masker.text(repr(["it's hunter2", "abcdefghij", b"bytes-token", "abc", "plain", "nested-value"]))
    assert text == repr([MASK, MASK, MASK.encode().decode("latin-1"), "abc", "plain", MASK]).replace(
        repr(MASK.encode().decode("latin-1")), f"b'{MASK}'"
    ).replace(f'"{MASK}"', f"'{MASK}'").replace(f"['{MASK}'", f'["{MASK}"')


def test_learning_is_bounded() -> None:
    masker = Masker()
    for number in range(5000):
        masker.learn("token", f"value-{number}")
    assert len(masker._values) < 500
    deep: dict[str, object] = {}
    deep["self"] = deep
    masker.learn("x", deep)
