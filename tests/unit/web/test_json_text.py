"""Values of Python as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from tests.support.wsgi import call
from wiverno.web.application import Wiverno
from wiverno.web.json_text import dump_json, is_json_object


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@dataclass
class Place:
    at: datetime
    tags: list[str] = field(default_factory=list)


NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Item(BaseModel):
    price: Decimal
    id: UUID
    place: Place | None = None
    label: str = Field(default="x", serialization_alias="Label")


IDENTITY = UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"2026-01-02T03:04:05+00:00"'),
        (date(2026, 1, 2), '"2026-01-02"'),
        (time(3, 4), '"03:04:00"'),
        (IDENTITY, f'"{IDENTITY}"'),
        (Decimal("1.10"), '"1.10"'),
        (Colour.RED, '"red"'),
        (Level.HIGH, "3"),
        ({1}, "[1]"),
        (frozenset(("a",)), '["a"]'),
        (Place(NOON, ["é"]), '{"at":"2026-01-02T12:00:00+00:00","tags":["é"]}'),
        (Item(price=Decimal("2.50"), id=IDENTITY), f'{{"price":"2.50","id":"{IDENTITY}","place":null,"Label":"x"}}'),
        ([Place(NOON)], '[{"at":"2026-01-02T12:00:00+00:00","tags":[]}]'),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(value: Any, expected: str) -> None:
    """Each has one JSON form, at the top and inside of a dict."""
    assert dump_json(value).decode() == expected
    assert dump_json({"a": [value]}).decode() == f'{{"a":[{expected}]}}'


@pytest.mark.parametrize(
    "value", [object(), Place, Item, b"bytes", len], ids=["object", "class", "model", "bytes", "function"]
)
def test_other_values_are_named(value: Any) -> None:
    """The message names the kind of value, and what can be sent."""
    with pytest.raises(TypeError, match=f"a {type(value).__qualname__} is not JSON serializable; send text, numbers"):
        dump_json({"a": value})


def test_dataclasses_and_models_are_bodies() -> None:
    """A handler may return one as it is, with or without a status."""
    assert [is_json_object(value) for value in (Place(NOON), Place, Item)] == [True, False, False]
    app = Wiverno()
    app.get("/place")(lambda request: Place(NOON))
    app.get("/item")(lambda request: (201, Item(price=Decimal(1), id=IDENTITY)))
    got = call(app, path="/place")
    assert (got.headers["content-type"], json.loads(got.body)["at"]) == (
        "application/json",
        "2026-01-02T12:00:00+00:00",
    )
    got = call(app, path="/item")
    assert (got.status, json.loads(got.body)["price"]) == ("201 Created", "1")
