"""Conditional requests (RFC 9110 §13): does the client have this version of a file already?

Pure decisions about header fields, as the environ of PEP 3333 carries them. A field that breaks its grammar is ignored,
as RFC 9110 §13.1 wants it for dates.
"""

import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class Verdict(Enum):
    """The result of a request's preconditions."""

    SEND = "send"
    NOT_MODIFIED = "not modified"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Version:
    """The version of a resource.

    Attributes:
        etag: A strong entity tag, without its quotes.
        modified: When it was changed last, in seconds of the epoch.
    """

    etag: str
    modified: int


def check_preconditions(environ: Mapping[str, Any], version: Version) -> Verdict:
    """Evaluate If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since in the order of RFC 9110 §13.2.2."""
    is_read = environ.get("REQUEST_METHOD") in ("GET", "HEAD")
    if_match = environ.get("HTTP_IF_MATCH")
    if if_match is not None:
        if not _names(if_match, version.etag, weakly=False):
            return Verdict.FAILED
    else:
        moment = parse_date(environ.get("HTTP_IF_UNMODIFIED_SINCE"))
        if moment is not None and version.modified > moment:
            return Verdict.FAILED
    if_none_match = environ.get("HTTP_IF_NONE_MATCH")
    if if_none_match is not None:
        if _names(if_none_match, version.etag, weakly=True):
            return Verdict.NOT_MODIFIED if is_read else Verdict.FAILED
    elif is_read:
        moment = parse_date(environ.get("HTTP_IF_MODIFIED_SINCE"))
        if moment is not None and version.modified <= moment:
            return Verdict.NOT_MODIFIED
    return Verdict.SEND


def is_same_version(if_range: str, version: Version) -> bool:
    """Compare If-Range strongly: a tag or date that is exactly this version's (RFC 9110 §13.1.5)."""
    text = if_range.strip(" \t")
    if text[:1] == '"':
        return text == f'"{version.etag}"'
    return parse_date(text) == version.modified


# RFC 9110 §8.8.3: etagc is any visible character but the quote, and obs-text.
_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def _names(text: str, etag: str, *, weakly: bool) -> bool:
    """Return whether a list of entity tags has this strong one, or is a star (RFC 9110 §8.8.3.2)."""
    if text == f'"{etag}"' or text.strip(" \t") == "*":  # browsers send back exactly what they got
        return True
    return any(tag == etag and (weakly or not weak) for weak, tag in _TAG.findall(text))


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NAMES: Final = "|".join(_MONTHS)
_TIME: Final = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
# RFC 9110 §5.6.7: IMF-fixdate, and the two obsolete forms that a recipient must accept.
_DATES: Final = (
    re.compile(rf"[A-Z][a-z]{{2}}, (?P<day>[0-9]{{2}}) (?P<month>{_NAMES}) (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(rf"[A-Z][a-z]{{5,8}}, (?P<day>[0-9]{{2}})-(?P<month>{_NAMES})-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(rf"[A-Z][a-z]{{2}} (?P<month>{_NAMES}) (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)


def parse_date(text: str | None) -> int | None:
    """Return a date in seconds of the epoch; None without one, and for what is no date of RFC 9110 §5.6.7."""
    if not text:
        return None
    found = next((match for form in _DATES if (match := form.fullmatch(text.strip(" \t")))), None)
    if found is None:
        return None
    year = int(found["year"])
    if year < 100:
        # RFC 9110 §5.6.7 wants the century in which it is not more than 50 years in the future.
        year += 2000 if year < 70 else 1900
    day, hour, minute, second = (int(found[name]) for name in ("day", "hour", "minute", "second"))
    if not (1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        return None
    return timegm((year, _MONTHS.index(found["month"]) + 1, day, hour, minute, second))
