"""What is hidden, and what is not hidden for nothing."""

from __future__ import annotations

import pytest

from wiverno.config.redaction import is_secret, masked_line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "x"), ("db.passwd", "x"), ("SECRET_KEY", "x"), ("api_key", "x"), ("access-key-id", "x"),
        ("auth_token", "x"), ("sentry_dsn", "x"), ("key", "x"), ("url", "pg://me:pw@db/x"), ("pwd", 5),
        ("password", "${PW:-x}"), ("password", "a${PW}"),
    ],
)  # fmt: skip
def test_secrets(name: str, value: object) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("monkey", "x"), ("bypass", "x"), ("keys", "root"), ("keyfile", "/x"), ("compass", "x"), ("url", "http://x:80/a@b"),
        ("password", "${PW}"), ("password", "${file:/run/secrets/pw}"), ("passthrough", "x"),
    ],
)  # fmt: skip
def test_no_secrets(name: str, value: object) -> None:
    assert not is_secret(name, value)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('password = "hunter2"', "password = ***"), ("password: hunter2", "password: ***"),
        ('x = { a = 1, "db_password" = "hunter2", b = 2 }', 'x = { a = 1, "db_password" = ***'),
        ('url = "pg://me:hunter2@db/x"', 'url = "pg://me:***@db/x"'), ('password = "${PW}"', 'password = "${PW}"'),
        ("port = 8000", "port = 8000"), ("keys = root", "keys = root"),
    ],
)  # fmt: skip
def test_lines(line: str, shown: str) -> None:
    assert masked_line(line) == shown


def test_a_line_that_continues_a_secret() -> None:
    assert masked_line("    hunter2", "app.settings.password") == "***"
    assert masked_line("    ${PW}", "app.settings.password") == "    ${PW}"
