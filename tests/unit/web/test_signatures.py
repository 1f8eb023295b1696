"""What a handler's parameters are, also behind decorators."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from wiverno.web.signatures import Signature

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers


def below(req: Any, id: int, user: str) -> None: ...


def wrapped(kind: str) -> Callable[..., Any]:
    """Return ``below`` behind a decorator."""

    @functools.wraps(below)
    def everything(*args: Any, **kwargs: Any) -> None: ...

    @functools.wraps(below)
    def request_first(request: Any, *args: Any, **kwargs: Any) -> None: ...

    @functools.wraps(below)
    def named_only(request: Any, **kwargs: Any) -> None: ...

    @functools.wraps(below)
    def narrow(request: Any) -> None: ...

    def nameless(*args: Any, **kwargs: Any) -> None: ...

    made: dict[str, Callable[..., Any]] = {
        "everything": everything, "request_first": request_first, "named_only": named_only, "narrow": narrow,
        "nameless": nameless,
    }  # fmt: skip
    return made[kind]


@pytest.mark.parametrize(
    ("kind", "names", "is_open", "is_decorator"),
    [
        ("everything", ["req", "id", "user"], True, True),
        ("request_first", ["request", "id", "user"], True, True),
        ("named_only", ["request", "req", "id", "user"], False, True),
        ("narrow", ["request"], False, False),
        ("nameless", [], True, False),
    ],
)
def test_decorators(kind: str, names: list[str], is_open: bool, is_decorator: bool) -> None:
    """The decorator's own parameters first, then those of the function below that it passes on."""
    found = Signature.read(wrapped(kind))
    assert found is not None
    assert [parameter.name for parameter in found.parameters] == names
    assert (found.is_open, found.is_decorator) == (is_open, is_decorator)


def of_checkers(amount: OnlyForCheckers, count: int) -> None: ...


def of_text_or_none(amount: "Item" | None) -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037


@pytest.mark.parametrize("function", [of_checkers, of_text_or_none])
def test_annotations_that_are_not_known_stay_text(function: Callable[..., Any]) -> None:
    found = Signature.read(function)
    assert found is not None
    assert all(isinstance(parameter.annotation, str) for parameter in found.parameters)
    assert found.unresolved


def test_annotations_are_evaluated() -> None:
    found = Signature.read(below)
    assert found is not None
    assert [parameter.annotation for parameter in found.parameters] == [Any, int, str]
    assert found.unresolved == ""


def test_callables_whose_parameters_python_does_not_know() -> None:
    assert Signature.read(min) is None
