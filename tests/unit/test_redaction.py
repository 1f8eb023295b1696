"""Secrets are recognised by the name of what holds them, their values leave every text, and nothing else is hidden."""

from __future__ import annotations

import pytest

from wiverno.redaction import MASK, Masker, is_secret_name, is_secret_setting, mask_line, mask_url, mask_value


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
    assert mask_value(name, "value") == MASK


@pytest.mark.parametrize(
    "name", ["author", "authors", "passenger", "host", "user", "key", "path_params", "id", "monkey"]
)
def test_plain_names(name: str) -> None:
    assert not is_secret_name(name)
    assert mask_value(name, 7) == "7"


def test_passwords_in_addresses() -> None:
    assert mask_url("postgres://ann:hunter2@db/x") == f"postgres://ann:{MASK}@db/x"
    assert mask_url("postgres://ann:hun'ter2@db/x") == f"postgres://ann:{MASK}@db/x"
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
    assert text == """["***", '***', b'***', 'abc', 'plain', '***']"""


def test_learning_is_bounded() -> None:
    masker = Masker()
    for number in range(5000):
        masker.learn("token", f"value-{number}")
    assert len(masker._values) < 500
    deep: dict[str, object] = {}
    deep["self"] = deep
    masker.learn("x", deep)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "x"), ("db.passwd", "x"), ("passcode", "x"), ("signing_key", "x"),
        ("SECRET_KEY", "x"), ("api_key", "x"), ("access-key-id", "x"),
        ("auth_token", "x"), ("sentry_dsn", "x"), ("key", "x"), ("url", "pg://me:pw@db/x"), ("pwd", 5),
        ("password", "${PW:-x}"), ("password", "a${PW}"),
    ],
)  # fmt: skip
def test_secret_settings(name: str, value: object) -> None:
    assert is_secret_setting(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("monkey", "x"), ("bypass", "x"), ("keys", "root"), ("keyfile", "/x"), ("compass", "x"), ("url", "http://x:80/a@b"),
        ("password", "${PW}"), ("password", "${file:/run/secrets/pw}"), ("passthrough", "x"),
        ("session.timeout", 5), ("auth.policy", "x"), ("cookie_secure", True),
    ],
)  # fmt: skip
def test_plain_settings(name: str, value: object) -> None:
    assert not is_secret_setting(name, value)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('password = "hunter2"', "password = ***"), ("password: hunter2", "password: ***"),
        ('x = { a = 1, "db_password" = "hunter2", b = 2 }', 'x = { a = 1, "db_password" = ***'),
        ('url = "pg://me:hunter2@db/x"', 'url = "pg://me:***@db/x"'), ('password = "${PW}"', 'password = "${PW}"'),
        ("port = 8000", "port = 8000"), ("keys = root", "keys = root"),
    ],
)  # fmt: skip
def test_lines_of_files(line: str, shown: str) -> None:
    assert mask_line(line) == shown


def test_a_line_that_continues_a_secret() -> None:
    assert mask_line("    hunter2", "app.settings.password") == "***"
    assert mask_line("    ${PW}", "app.settings.password") == "    ${PW}"
