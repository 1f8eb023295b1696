"""Values of a request checked against a type by pydantic. What does not fit is answered 422, with its places.

pydantic is an extra (``wiverno[models]``) and is imported when the first handler that wants it is registered. The
answer names the places and what is wrong there. It repeats no value that the client sent, and what it repeats of names
is bounded.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

from wiverno.web.errors import HTTPError, Invalid, Problem

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

_MOST_PROBLEMS: Final = 50
# pydantic describes all problems or none, each in ten microseconds.
_MOST_COUNTED: Final = 1000
_LONGEST_NAME: Final = 100
_LONGEST_MESSAGE: Final = 300
_IN_THE_SENTENCE: Final = 3
_LISTS: Final = (list, set, frozenset, tuple)


class Validator:
    """Checks values against one type; made when a handler is registered.

    Args:
        kind: The type: a class, a generic like ``list[Item]``, ``Annotated`` with constraints.

    Raises:
        ImportError: pydantic is not installed; the message says how to get it.
        TypeError: pydantic knows no way to make such values.
    """

    __slots__ = ("_adapter",)

    def __init__(self, kind: Any) -> None:
        try:
            from pydantic import TypeAdapter
            from pydantic.errors import PydanticUserError
        except ImportError as error:
            raise ImportError("checked arguments need pydantic: pip install 'wiverno[models]>=2'") from error
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(kind)
        except (PydanticUserError, NameError) as error:
            reason = str(error).partition("\n")[0].partition(". ")[0]
            raise TypeError(f"{type_name(kind)} is no type that pydantic can check: {reason}") from error

    def check_json(self, data: bytes, place: str) -> Any:
        """Return the value of a JSON document.

        Raises:
            Invalid: it does not fit.
        """
        return self._check(lambda: self._adapter.validate_json(data), place)

    def check_text(self, text: str, place: str, name: str) -> Any:
        """Return the value of a parameter's text.

        Raises:
            Invalid: it does not fit.
        """
        return self._check(lambda: self._adapter.validate_strings(text), place, name)

    def check_values(self, values: object, place: str, *name: str) -> Any:
        """Return the value of several texts, or of texts by name.

        Raises:
            Invalid: they do not fit.
        """
        return self._check(lambda: self._adapter.validate_python(values), place, *name)

    def _check(self, validate: Callable[[], Any], *place: str) -> Any:
        from pydantic import ValidationError

        try:
            return validate()
        except ValidationError as error:
            raise _invalid(error, place) from error


def _invalid(error: ValidationError, place: tuple[str, ...]) -> HTTPError:
    if error.error_count() > _MOST_COUNTED:
        return Invalid(f"The {place[0]} does not fit in {error.error_count()} places.")
    found = error.errors(include_url=False, include_context=False, include_input=False)
    problems = tuple(
        Problem((*place, *(_short(part) for part in one["loc"])), one["msg"][:_LONGEST_MESSAGE], one["type"])
        for one in found[:_MOST_PROBLEMS]
    )
    first = [
        f"{'.'.join(map(str, problem.place[1:])) or problem.place[0]}: {problem.message}"
        for problem in problems[:_IN_THE_SENTENCE]
    ]
    more = f"; and {len(found) - len(first)} more" if len(found) > len(first) else ""
    return Invalid(f"The {place[0]} does not fit. {'; '.join(first)}{more}.", problems)


def missing(place: str, *name: str) -> HTTPError:
    """Return the error for a value that the request does not have."""
    what = f"The {place} does not fit. {name[0]}: Field required." if name else f"The {place} is missing."
    return Invalid(what, (Problem((place, *name), "Field required", "missing"),))


def _short(part: int | str) -> int | str:
    return part if isinstance(part, int) else part[:_LONGEST_NAME]


def leaves(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, without None and without ``Annotated``."""
    origin = get_origin(kind)
    if origin is typing.Annotated:
        return leaves(get_args(kind)[0])
    if origin is typing.Union or origin is types.UnionType:
        return tuple(leaf for member in get_args(kind) for leaf in leaves(member))
    return () if kind is type(None) else (kind,)


def is_model(kind: Any) -> bool:
    """Whether values of a type have members by name: pydantic models, dataclasses, typed dictionaries."""
    if not isinstance(kind, type):
        origin = get_origin(kind)  # a generic model
        return isinstance(origin, type) and is_model(origin)
    # Only a program that has imported pydantic has a model.
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and issubclass(kind, pydantic.BaseModel):
        return True
    # That of typing_extensions, which pydantic wants before Python 3.12, is of another class.
    return dataclasses.is_dataclass(kind) or hasattr(kind, "__required_keys__")


def is_collection(kind: Any) -> bool:
    """Whether a type is one of lists, sets or mappings."""
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Collection) and not issubclass(origin, str | bytes)


def is_document(kind: Any) -> bool:
    """Whether values of a type are JSON documents: models, lists or mappings, or a union with one of them."""
    return any(is_model(leaf) or is_collection(leaf) for leaf in leaves(kind))


def takes_several(kind: Any) -> bool:
    """Whether a type takes several values of one name: a list, a set or a tuple."""
    return any((get_origin(leaf) or leaf) in _LISTS for leaf in leaves(kind))


def several_names(kind: Any) -> frozenset[str]:
    """Return the names of a model's members that take several values."""
    found: set[str] = set()
    for leaf in leaves(kind):
        fields: Mapping[str, Any] = getattr(leaf, "model_fields", {})
        found.update(
            name
            for own, field in fields.items()
            for name in (own, field.alias, field.validation_alias)
            if isinstance(name, str) and takes_several(field.annotation)
        )
        if not fields and is_model(leaf):
            found.update(name for name, hint in get_type_hints(leaf).items() if takes_several(hint))
    return frozenset(found)


def type_name(kind: Any) -> str:
    """Return a type as its author wrote it, or nearly."""
    return kind.__qualname__ if isinstance(kind, type) and get_origin(kind) is None else str(kind)
