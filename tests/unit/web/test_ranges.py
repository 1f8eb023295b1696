"""One part of a resource, or an error page; how the field is read is tested with `static/ranges.py`."""

from __future__ import annotations

import pytest

from wiverno.static.conditions import Version
from wiverno.web.errors import HTTPError
from wiverno.web.ranges import wanted_part

VERSION = Version("v1", 1714564800)


@pytest.mark.parametrize(
    ("text", "part"),
    [("bytes=0-4", (0, 5)), ("bytes=0-4,5-9", (0, 10)), ("bytes=0-4,50-59", None), ("lines=0-1", None), (None, None)],
)
def test_one_part_or_the_whole(text: str | None, part: tuple[int, int] | None) -> None:
    """Parts that are not adjacent are answered with the whole."""
    environ = {"REQUEST_METHOD": "GET"} | ({"HTTP_RANGE": text} if text else {})
    assert wanted_part(environ, VERSION, 100) == part


def test_what_is_416() -> None:
    """The error page says how long the resource is."""
    with pytest.raises(HTTPError) as caught:
        wanted_part({"REQUEST_METHOD": "GET", "HTTP_RANGE": "bytes=100-"}, VERSION, 100)
    assert (caught.value.status, caught.value.headers["Content-Range"]) == (416, "bytes */100")
