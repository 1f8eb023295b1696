"""Live reload extends HTML answers, and only those."""

from __future__ import annotations

import pytest

from wiverno.dev.live import ExtendedBody, extend_headers, script_tag

TAG = script_tag("v1")


def test_html_gets_longer_and_allows_the_script() -> None:
    headers = [
        ("Content-Type", "Text/HTML; charset=utf-8"),
        ("Content-Length", "5"),
        ("ETag", '"x"'),
        ("Content-Security-Policy", "default-src 'none'; script-src 'self'"),
    ]
    assert extend_headers("200 OK", headers, TAG) == [
        ("Content-Type", "Text/HTML; charset=utf-8"),
        ("Content-Length", str(5 + len(TAG))),
        ("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'"),
    ]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK", [("Content-Type", "application/json")]),
        ("200 OK", []),
        ("200 OK", [("Content-Type", "text/html"), ("Content-Encoding", "gzip")]),
        ("304 Not Modified", [("Content-Type", "text/html")]),
        ("205 Reset Content", [("Content-Type", "text/html")]),
        ("206 Partial Content", [("Content-Type", "text/html")]),
    ],
)
def test_everything_else_is_left_alone(status: str, headers: list[tuple[str, str]]) -> None:
    assert extend_headers(status, headers, TAG) is None


def test_the_body_is_closed() -> None:
    closed: list[bool] = []

    class Body:
        def __iter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204
            return iter([b"a"])

        def close(self) -> None:
            closed.append(True)

    body = ExtendedBody(Body(), TAG)
    assert list(body) == [b"a"]
    body.is_wanted = True
    assert list(body) == [b"a", TAG]
    body.close()
    assert closed == [True]
