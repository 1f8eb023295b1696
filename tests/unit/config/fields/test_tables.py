"""Settings that are tables: variables and hooks."""

from __future__ import annotations

import pytest

from wiverno.config.errors import BadValue
from wiverno.config.fields.tables import Table, hooks, other_hook, variables


@pytest.mark.parametrize(
    "written",
    [
        {"TZ": "UTC", "GREETING": "hello you"},
        "TZ=UTC GREETING='hello you'",
        'TZ=UTC\n GREETING="hello you"',
        ["TZ=UTC", "GREETING=hello you"],
    ],
)
def test_variables(written: object) -> None:
    """A table, words quoted as in a shell, and repeated options say the same."""
    value_type = variables()
    found = value_type.read(written)
    assert found == {"TZ": "UTC", "GREETING": "hello you"}
    assert value_type.read(value_type.text(found)) == found
    assert value_type.read(value_type.native(found)) == found


def test_backslashes_and_equals_signs_stay() -> None:
    """Only quotes have a meaning in words, so that paths and base64 survive."""
    assert variables().read(r"P=C:\temp KEY=ab==") == {"P": r"C:\temp", "KEY": "ab=="}
    assert variables().read({"N": 1, "F": 0.5}) == {"N": "1", "F": "0.5"}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("production", "expected NAME=VALUE, and 'production' has no ="),
        ("A='b", "a quotation mark is not closed"),
        ({"A": True}, "A is no text"),
        ({"A": ["x"]}, "A is no text"),
        ({"A-B": "x"}, "'A-B' is no name of a variable"),
        ({"WIVERNO_THREADS": "4"}, "WIVERNO_THREADS is wiverno's own variable"),
        ({"A": "\0"}, "A contains a NUL character"),
        (5, "expected variables: a table, or words NAME=VALUE"),
        ([1], "expected variables: a table, or words NAME=VALUE"),
    ],
)
def test_bad_variables(written: object, message: str) -> None:
    """The mistake names the entry."""
    with pytest.raises(BadValue) as raised:
        variables().read(written)
    assert raised.value.message == message


def test_hooks() -> None:
    """A hook is a known name and module:function; gunicorn's other names say what takes their place."""
    assert hooks().read({"post_fork": "shop.hooks:connect"}) == {"post_fork": "shop.hooks:connect"}
    with pytest.raises(BadValue) as raised:
        hooks().read({"pre_fork": "shop:x"})
    assert "there is no hook 'pre_fork'; hooks are when_ready, on_reload" in raised.value.message
    assert raised.value.hint == "use post_fork, which runs in the worker"
    with pytest.raises(BadValue) as raised:
        hooks().read({"when_redy": "shop:x"})
    assert raised.value.hint == 'did you mean "when_ready"?'
    with pytest.raises(BadValue, match=r"post_fork: expected module:function, as in shop\.hooks:post_fork"):
        hooks().read({"post_fork": "connect"})
    assert other_hook("on_exit").startswith("use atexit")
    assert not other_hook("bind")


def test_a_table_is_a_value() -> None:
    """Tables can be compared and hashed, and their text shows no value."""
    table = Table({"PASSWORD": "x"})
    assert hash(table) == hash(Table({"PASSWORD": "x"}))
    assert repr(table) == "<table of PASSWORD>"
    assert repr(Table()) == "<table of nothing>"
