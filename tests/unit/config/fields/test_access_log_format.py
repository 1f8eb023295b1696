"""The access log's format: names, fields, and what is wrong with others."""

from __future__ import annotations

import pytest

from wiverno.config.errors import BadValue
from wiverno.config.fields.access_log_format import LOG_FIELDS, access_format


@pytest.mark.parametrize(
    ("text", "value"),
    [("JSON", "json"), (" common ", "common"), ("{status} {header:X-Id}", "{status} {header:X-Id}")],
)
def test_names_and_fields(text: str, value: str) -> None:
    """A name in any case, or text with fields."""
    assert access_format().read(text) == value


@pytest.mark.parametrize("field", LOG_FIELDS)
def test_every_field_is_accepted(field: str) -> None:
    """The table of fields is the list of what a format may name."""
    assert access_format().read(f"{{{field}}}") == f"{{{field}}}"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("jsn", "expected common, combined, json, or text with fields", 'did you mean "json"?'),
        ("{stats}", "there is no field {stats}", 'did you mean "status"?'),
        ("{qqqq}", "there is no field {qqqq}", "fields: remote, user"),
        ("{status}\t{id}", "control characters", None),
        ("{status} {", "a brace stands alone", None),
        ("{header:a b}", "there is no field {header:a b}", "fields: "),
    ],
)
def test_a_wrong_format_says_what_is_accepted(text: str, message: str, hint: str | None) -> None:
    """The nearest name, or all of them."""
    with pytest.raises(BadValue) as caught:
        access_format().read(text)
    assert message in caught.value.message
    assert (caught.value.hint or "").startswith(hint or "")
