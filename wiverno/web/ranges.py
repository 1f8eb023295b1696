"""The part of a resource that a request's Range asks for, or the error page.

``static/ranges.py`` reads the field. Several parts that are not adjacent are answered with the whole, as RFC 9110 §14.2
allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wiverno.static.conditions import Version
from wiverno.static.ranges import RangeNotSatisfiable, wanted_parts
from wiverno.web.errors import HTTPError


def wanted_part(environ: Mapping[str, Any], version: Version, size: int) -> tuple[int, int] | None:
    """Return (start, stop) in bytes of the part a request asks for, or None for the whole.

    Raises:
        HTTPError: 416 when nothing of the range exists, or for more ranges than ``static.ranges.MOST_RANGES``.
    """
    try:
        parts = wanted_parts(environ, version, size)
    except RangeNotSatisfiable as error:
        raise HTTPError(416, headers={"Content-Range": f"bytes */{size}"}) from error
    return parts[0] if parts is not None and len(parts) == 1 else None
