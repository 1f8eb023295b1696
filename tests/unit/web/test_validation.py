"""Values checked by pydantic, and the kinds of types that handlers may be annotated with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from wiverno.web.errors import Invalid
from wiverno.web.validation import (
    Validator,
    is_document,
    is_model,
    leaves,
    missing,
    several_names,
    takes_several,
    type_name,
)

T = TypeVar("T")


class Item(BaseModel):
    name: str
    tags: list[str] = Field(default=[], alias="tag")
    size: int | None = None


class Page(BaseModel, Generic[T]):
    items: list[T]


@dataclass
class Point:
    x: int
    more: tuple[int, ...] = ()


class Size(TypedDict):
    width: int


@pytest.mark.parametrize(
    ("kind", "model", "document"),
    [
        (Item, True, True), (Point, True, True), (Size, True, True), (Page[int], True, True),
        (Item | None, False, True), (Annotated[Item, "x"], False, True), (list[Item], False, True), (dict, False, True),
        (Mapping[str, int], False, True),
        (Sequence[int], False, True), (set[int], False, True), (int, False, False), (str, False, False),
        (bytes, False, False), (int | None, False, False), (Any, False, False), (Point | int, False, True),
    ],
)  # fmt: skip
def test_kinds(kind: Any, model: bool, document: bool) -> None:
    """Models have members by name; documents are what a JSON body may be."""
    assert (is_model(kind), is_document(kind)) == (model, document)


def test_parts_of_types() -> None:
    assert leaves(Annotated[int, 1] | str | None) == (int, str)
    assert (takes_several(list[int] | None), takes_several(int)) == (True, False)
    assert several_names(Item) == {"tags", "tag"}
    assert several_names(Point | None) == {"more"}
    assert (type_name(Item), type_name(list[int])) == ("Item", "list[int]")


def test_problems_have_a_bounded_size() -> None:
    """Fifty are listed, three are in the sentence, and names of the client are cut."""
    with pytest.raises(Invalid) as raised:
        Validator(dict[str, int]).check_values({f"{number}{'x' * 500}": "no" for number in range(60)}, "body")
    assert (len(raised.value.problems), raised.value.status) == (50, 422)
    assert all(len(str(problem.place[1])) <= 100 for problem in raised.value.problems)
    assert raised.value.message.endswith("; and 57 more.")
    assert len(raised.value.message) < 1000


def test_values_are_not_repeated() -> None:
    with pytest.raises(Invalid) as raised:
        Validator(Item).check_json(b'{"name":["a secret"],"size":"another one"}', "body")
    assert "secret" not in raised.value.message + str(raised.value.problems)
    assert [problem.place for problem in raised.value.problems] == [("body", "name"), ("body", "size")]
    assert raised.value.message.startswith("The body does not fit. name: Input should be a valid string; size: ")


def test_missing_values() -> None:
    assert missing("body").message == "The body is missing."
    assert missing("query", "page").message == "The query does not fit. page: Field required."


def test_types_that_pydantic_does_not_know() -> None:
    class Unknown:
        pass

    with pytest.raises(TypeError, match="Unknown is no type that pydantic can check: Unable to generate"):
        Validator(Unknown)
