"""The type of the access log's format: a name, or text with fields such as {status}; the fields with their meaning."""

from __future__ import annotations

import re
from typing import Final

from wiverno.config.errors import BadValue, did_you_mean
from wiverno.config.fields.types import ValueType, text

NAMED_FORMATS: Final = ("common", "combined", "json")

# The fields of an own format, with what they are.
LOG_FIELDS: Final = {
    "remote": "the client's address",
    "user": "REMOTE_USER, if the application set it",
    "time": "when the response was finished, as in the common format",
    "iso_time": "the same in ISO 8601, with milliseconds",
    "request": "the request line",
    "method": "its method",
    "uri": "its target",
    "path": "its path, without the query",
    "query": "its query",
    "protocol": "HTTP/1.1 or HTTP/1.0",
    "host": "the Host field",
    "scheme": "http or https",
    "status": "the status code",
    "bytes": "bytes of content sent",
    "referer": "the Referer field",
    "agent": "the User-Agent field",
    "seconds": "time in the application, in seconds",
    "milliseconds": "the same in milliseconds",
    "wait_seconds": "time that the request waited for a thread, in seconds",
    "wait_milliseconds": "the same in milliseconds",
    "id": "the request's id: X-Request-ID of a trusted proxy, else one that the server made",
    "pid": "the process that answered",
}

_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_HEADER: Final = re.compile(r"header:[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def access_format() -> ValueType:
    """Return the type of the access log's format: one of the names, or text with {fields}."""
    accepts = "common, combined, json, or text with fields such as {remote} {request} {status} {header:X-Name}"
    words = text(accepts)

    def read(raw: str) -> str:
        found: str = words.from_text(raw)
        if "{" not in found:
            if found.lower() not in NAMED_FORMATS:
                raise BadValue(f"expected {accepts}", did_you_mean(found, NAMED_FORMATS))
            return found.lower()
        if not found.isprintable():
            raise BadValue("a line of the log can't hold control characters")
        for name in _FIELD.findall(found):
            if name not in LOG_FIELDS and not _HEADER.fullmatch(name):
                raise BadValue(f"there is no field {{{name}}}", did_you_mean(name, LOG_FIELDS) or _all_fields())
        if "{" in _FIELD.sub("", found) or "}" in _FIELD.sub("", found):
            raise BadValue("a brace stands alone: fields are written {name}")
        return found

    return ValueType(accepts, read, words.from_native, metavar="FORMAT", examples=NAMED_FORMATS)


def _all_fields() -> str:
    return f"fields: {', '.join(LOG_FIELDS)}, header:NAME"
