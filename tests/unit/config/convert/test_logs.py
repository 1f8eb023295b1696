"""Logs of other servers."""

from __future__ import annotations

import pytest

from wiverno.config.convert.logs import translate_dict_config, translate_format


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s', 'common'),
        ("%(h)s %({x-request-id}i)s %(L)s", "{remote} {header:X-Request-Id} {seconds}"),
        ("%(addr) %(method) %(uri) %(msecs)", "{remote} {method} {uri} {milliseconds}"),
        ("%(h)s %(x)s", None),
        ("%(vars)", None),
        ("{%(h)s}", None),
        ("nothing", None),
    ],
)  # fmt: skip
def test_formats(text: str, expected: str | None) -> None:
    """gunicorn's atoms and uWSGI's variables are our fields; a field that is not there makes the format unknown."""
    assert translate_format(text) == expected


def test_dict_config() -> None:
    """gunicorn's loggers become ours; what TOML cannot hold is not carried."""
    found = translate_dict_config({"version": 1, "loggers": {"gunicorn.access": {"level": "INFO"}, "shop": {}}})
    assert found == {"loggers": {"wiverno.access": {"level": "INFO"}, "shop": {}}}
    assert translate_dict_config({"filters": None}) is None
    assert translate_dict_config({"filters": {1: "x"}}) is None
