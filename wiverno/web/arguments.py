"""From a handler's parameters to how it is called. The decision is made once, when its route is registered.

A handler takes the request, parameters of its route's pattern by name, and a body that is annotated with a model:

    def show(request): ...                                  the request alone; such a handler is called as it is
    def show(request, id: int): ...                         a parameter of "/items/{id:int}"
    def create(item: Item): ...                             the body, checked by pydantic
    def search(q: FromQuery[str], page: FromQuery[int] = 1): ...

Nothing else of a request becomes an argument: a parameter with a default that is named by no pattern keeps its default,
so that a client cannot set what a programmer has meant for other callers.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import partial
from inspect import Parameter
from types import FunctionType, UnionType
from typing import Annotated, Any, Final, TypeAlias, TypeVar, Union, get_args, get_origin

from wiverno.web.errors import HTTPError
from wiverno.web.forms import require_few_items
from wiverno.web.handlers import describe_handler, view_of
from wiverno.web.patterns import (
    Converter,
    FloatConverter,
    IntConverter,
    PathConverter,
    Pattern,
    TextConverter,
    UUIDConverter,
)
from wiverno.web.request import Request
from wiverno.web.signatures import Signature
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
from wiverno.web.values import Form, Query
from wiverno.web.views import BaseView

_T = TypeVar("_T")
Getter: TypeAlias = Callable[[Request], Any]
Call: TypeAlias = Callable[[Callable[..., Any], Request], Any]


class Source(Enum):
    """Where a marked argument comes from."""

    QUERY = "query"
    FORM = "form"


FromQuery = Annotated[_T, Source.QUERY]
"""An argument of a handler that comes from the query: ``page: FromQuery[int] = 1``; a model takes the whole query."""
FromForm = Annotated[_T, Source.FORM]
"""An argument of a handler that comes from a submitted form: ``order: FromForm[Order]``."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a handler gets.

    Attributes:
        positional: Arguments passed by place.
        named: Arguments passed by name.
        whole_path: The arguments are all parameters of the pattern as they are, perhaps after the request.
    """

    positional: tuple[Getter, ...]
    named: tuple[tuple[str, Getter], ...]
    whole_path: bool

    @property
    def is_plain(self) -> bool:
        """Whether the handler takes the request and nothing else."""
        return self.positional == (_the_request,) and not self.named


def bind_handler(handler: Callable[..., Any], pattern: Pattern) -> Callable[[Request], Any]:
    """Return a handler as a function of the request; one that takes only the request is returned as it is.

    Raises:
        TypeError: a parameter cannot be filled; the message names the handler, its place and the parameter.
    """
    if _is_of_request(handler, pattern):
        return handler
    view = view_of(handler)
    if view is not None:
        return _bind_view(handler, view, pattern)
    plan = _plan(handler, handler, pattern)
    return handler if plan.is_plain else partial(_calling(plan), handler)


def _is_of_request(handler: Callable[..., Any], pattern: Pattern) -> bool:
    """Whether a handler is at first sight a function of the request alone; reading a signature takes much longer."""
    if type(handler) is not FunctionType or hasattr(handler, "__wrapped__"):
        return False
    code = handler.__code__
    if code.co_argcount != 1 or code.co_kwonlyargcount or code.co_flags & _OPEN or handler.__defaults__:
        return False
    name = code.co_varnames[0]
    return name == "request" and all(name != parameter.name for parameter in pattern.parameters)


_OPEN: Final = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


def _bind_view(
    handler: Callable[..., Any], view: type[BaseView] | BaseView, pattern: Pattern
) -> Callable[[Request], Any]:
    cls = view if isinstance(view, type) else type(view)
    if cls.__call__ is not BaseView.__call__:
        return handler  # it dispatches by itself
    plans = {
        method: _plan(getattr(cls, method.lower()), handler, pattern, is_method=_takes_self(cls, method.lower()))
        for method in cls.methods()
    }
    if all(plan.is_plain for plan in plans.values()):
        return handler
    calls = {method: (method.lower(), _calling(plan)) for method, plan in plans.items()}
    if "GET" in calls:
        calls.setdefault("HEAD", calls["GET"])

    def call(request: Request) -> Any:
        instance = view() if isinstance(view, type) else view
        found = calls.get(request.method)
        if found is None:
            return instance(request)
        name, invoke = found
        return invoke(getattr(instance, name), request)

    return call


def _takes_self(cls: type, name: str) -> bool:
    return inspect.isfunction(inspect.getattr_static(cls, name))


def _calling(plan: _Plan) -> Call:
    """Return the function that calls a handler as the plan says."""
    positional, named = plan.positional, plan.named
    if plan.whole_path:
        if positional:
            return lambda handler, request: handler(request, **request.path_params)
        return lambda handler, request: handler(**request.path_params)

    def call(handler: Callable[..., Any], request: Request) -> Any:
        values = {name: get(request) for name, get in named}
        return handler(*[get(request) for get in positional], **values)

    return call


def _the_request(request: Request) -> Request:
    return request


def _plan(function: Callable[..., Any], handler: object, pattern: Pattern, *, is_method: bool = False) -> _Plan:
    """Decide what each parameter of a handler gets."""
    signature = Signature.read(function)
    if signature is None or (signature.is_open and not signature.parameters):
        return _Plan((_the_request,), (), whole_path=False)
    chooser = _Chooser(handler, pattern, signature)
    parameters = signature.parameters[1:] if is_method else signature.parameters
    positional: list[Getter] = []
    named: list[tuple[str, Getter]] = []
    for number, parameter in enumerate(parameters):
        get = chooser.choose(parameter, is_first=number == 0)
        if get is None:
            continue
        if parameter.kind is Parameter.POSITIONAL_ONLY or (number == 0 and get is _the_request):
            positional.append(get)
        else:
            named.append((parameter.name, get))
    names = [parameter.name for parameter in pattern.parameters]
    whole_path = (
        bool(named)
        and sorted(name for name, _ in named) == sorted(names)
        and chooser.as_they_are == set(names)
        and positional in ([], [_the_request])
    )
    return _Plan(tuple(positional), tuple(named), whole_path)


class _Chooser:
    """Chooses what a handler's parameters get, one after the other.

    Attributes:
        as_they_are: The parameters that get a parameter of the pattern as its converter made it.
    """

    def __init__(self, handler: object, pattern: Pattern, signature: Signature) -> None:
        self._handler = handler
        self._pattern = pattern
        self._signature = signature
        self._converters = {parameter.name: parameter.converter for parameter in pattern.parameters}
        self._body = ""
        self.as_they_are: set[str] = set()

    def choose(self, parameter: Parameter, *, is_first: bool) -> Getter | None:
        """Return what gets a parameter's value from the request; None if it keeps its default.

        Raises:
            TypeError: nothing does.
        """
        name, kind = parameter.name, parameter.annotation
        if name == "request" or _is_request(kind):
            return _the_request
        if name in self._converters:
            return self._from_path(name, kind)
        source = _source_of(kind)
        if source is not None:
            return self._from_pairs(parameter, source)
        if not isinstance(kind, str) and kind not in (Parameter.empty, Any) and is_document(kind):
            return self._from_body(parameter)
        if is_first and parameter.kind is not Parameter.KEYWORD_ONLY and _may_be_request(parameter):
            return _the_request
        if parameter.default is not Parameter.empty or self._signature.is_decorator:
            return None
        raise self._unknown(parameter)

    def _unknown(self, parameter: Parameter) -> TypeError:
        name, text = parameter.name, self._pattern.text
        if isinstance(parameter.annotation, str):
            return self._error(
                f"the annotation {parameter.annotation!r} of {name!r} is not known in its module: "
                f"{self._signature.unresolved}"
            )
        known = ", ".join(map(repr, self._converters)) or "none"
        return self._error(
            f"{text!r} has no parameter {name!r} (it has {known}). A handler takes the request, parameters of its "
            f"pattern by name, a body annotated with a model, and {name}: FromQuery[...] of the query"
        )

    def _error(self, message: str) -> TypeError:
        return TypeError(f"{describe_handler(self._handler)}: {message}")

    def _validator(self, kind: Any, name: str) -> Validator:
        try:
            return Validator(kind)
        except (TypeError, ImportError) as error:
            raise type(error)(f"{describe_handler(self._handler)}: {name!r}: {error}") from error

    def _from_path(self, name: str, kind: Any) -> Getter:
        gives = _TYPES.get(type(self._converters[name]))
        if isinstance(kind, str) or gives is None or _fits(gives, kind):
            self.as_they_are.add(name)
            return lambda request: request.path_params[name]
        plain = [leaf for leaf in leaves(kind) if leaf in _SCALARS]
        if gives is not str and plain and not any(_fits(gives, leaf) for leaf in leaves(kind)):
            wanted = {str: "", int: ":int", float: ":float", uuid.UUID: ":uuid"}.get(plain[0])
            hint = f"; write '{{{name}{wanted}}}'" if wanted is not None else ""
            raise self._error(
                f"{name!r} is annotated {type_name(kind)}, and {self._pattern.text!r} makes it "
                f"{'an' if gives is int else 'a'} {gives.__name__}{hint}"
            )
        check = self._validator(kind, name)
        if gives is str:
            return lambda request: check.check_text(request.path_params[name], "path", name)
        return lambda request: check.check_values(request.path_params[name], "path", name)

    def _from_pairs(self, parameter: Parameter, source: Source) -> Getter:
        """Return what reads the query or the form: a model reads all of it, anything else the values of its name."""
        name, place, default = parameter.name, source.value, parameter.default
        kind = parameter.annotation
        check = self._validator(kind, name)
        if any(is_model(leaf) for leaf in leaves(kind)):
            several = several_names(kind)
            return lambda request: check.check_values(_collect(_pairs(request, source), several), place)
        is_list = takes_several(kind)

        def get(request: Request) -> Any:
            values = _pairs(request, source).getlist(name)
            if not values:
                if default is Parameter.empty:
                    raise missing(place, name)
                return default
            if is_list:
                return check.check_values(values, place, name)
            return check.check_text(values[0], place, name)

        return get

    def _from_body(self, parameter: Parameter) -> Getter:
        if self._body:
            raise self._error(
                f"{self._body!r} and {parameter.name!r} are both annotated as the body; a request has one, "
                "so make one model of them"
            )
        self._body = parameter.name
        check, default = self._validator(parameter.annotation, parameter.name), parameter.default

        def get(request: Request) -> Any:
            if not request.body:
                if default is Parameter.empty:
                    raise missing("body")
                return default
            # A page of another site can send any text with a form, but not this type without asking (Fetch Standard,
            # CORS-safelisted request-header): a body of another type is not taken for JSON.
            if not request.is_json:
                raise HTTPError(415, "The body has to be JSON, with Content-Type: application/json.")
            document = request.json  # not JSON, or above the limits: 400 or 413
            if request.body.count(b",") >= request.limits.json_items:
                require_few_items(document, request.limits)
            return check.check_json(request.body, "body")

        return get


# What the converters give. Those of the application give what they like.
_TYPES: Mapping[type[Converter], type] = {
    TextConverter: str, PathConverter: str, IntConverter: int, FloatConverter: float, UUIDConverter: uuid.UUID,
}  # fmt: skip
_SCALARS: Final = frozenset({str, int, float, bool, bytes, uuid.UUID, date, datetime})


def _is_request(kind: Any) -> bool:
    return (isinstance(kind, type) and issubclass(kind, Request)) or kind in ("Request", "wiverno.Request")


def _may_be_request(parameter: Parameter) -> bool:
    """Whether a first parameter of any name gets the request: it has no default, and is not annotated as a value."""
    kind = parameter.annotation
    if parameter.default is not Parameter.empty or isinstance(kind, str):
        return False
    if kind in (Parameter.empty, Any):
        return True
    found = leaves(kind)
    return not found or not all(
        leaf in _SCALARS or (isinstance(leaf, type) and issubclass(leaf, Enum)) for leaf in found
    )


def _fits(gives: type, kind: Any) -> bool:
    """Whether a converter's value is of the annotated type as it is."""
    if kind in (Parameter.empty, Any, object):
        return True
    if get_origin(kind) is Annotated:
        return False  # it has constraints
    return any(
        isinstance(leaf, type)
        and get_origin(leaf) is None
        and (issubclass(gives, leaf) or (gives, leaf) == (int, float))
        for leaf in leaves(kind)
    )


def _source_of(kind: Any) -> Source | None:
    """Return the mark of an annotation, also inside of ``FromQuery[int] | None``."""
    if get_origin(kind) in (Annotated, Union, UnionType):
        for part in get_args(kind):
            found = part if isinstance(part, Source) else _source_of(part)
            if found is not None:
                return found
    return None


def _pairs(request: Request, source: Source) -> Query | Form:
    return request.query_params if source is Source.QUERY else request.form


def _collect(pairs: Query | Form, several: frozenset[str]) -> dict[str, Any]:
    return {name: values if name in several else values[0] for name, values in pairs.lists()}
