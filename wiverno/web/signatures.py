"""Reading a handler's parameters, also through decorators and where annotations are still text."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, Final

_VARIABLE: Final = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters that a handler takes.

    Attributes:
        parameters: Those with a name, in order.
        is_open: It takes further arguments by place (``*args``).
        is_decorator: It passes further named arguments to another function, which may get some from the decorator.
        unresolved: Why annotations are still text; empty if they are not.
    """

    parameters: tuple[Parameter, ...]
    is_open: bool
    is_decorator: bool
    unresolved: str

    @classmethod
    def read(cls, function: Callable[..., Any]) -> Signature | None:
        """Return what a function takes, or None for one whose parameters Python does not know.

        A decorator's own parameters come first: it is what will be called. If it takes any further name, the
        parameters of the function below are filled too (``functools.wraps`` tells them).
        """
        try:
            own, unresolved = _inspect(function, follow_wrapped=False)
            inner, inner_unresolved = _inspect(function, follow_wrapped=True)
        except (ValueError, TypeError):
            return None
        kinds = {parameter.kind for parameter in own}
        is_decorator = Parameter.VAR_KEYWORD in kinds and hasattr(function, "__wrapped__")
        parameters = [parameter for parameter in own if parameter.kind not in _VARIABLE]
        if is_decorator:
            known = {parameter.name for parameter in parameters}
            below = [one for one in inner if one.kind not in _VARIABLE and one.name not in known]
            if parameters and Parameter.VAR_POSITIONAL in kinds:
                # def decorated(request, *args, **kwargs): its request is the first parameter below as well.
                below = [one for one in below if one is not inner[0] or not _is_bare(one)]
            parameters += below
            unresolved = unresolved or inner_unresolved
        return cls(tuple(parameters), Parameter.VAR_POSITIONAL in kinds, is_decorator, unresolved)


def _inspect(function: Callable[..., Any], *, follow_wrapped: bool) -> tuple[list[Parameter], str]:
    try:
        signature = inspect.signature(function, follow_wrapped=follow_wrapped, eval_str=True)
        unresolved = ""
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        # A name that only type checkers know, one of a function around this one, or "Item" | None.
        signature = _read_as_text(function, follow_wrapped=follow_wrapped)
        unresolved = str(error)
    return list(signature.parameters.values()), unresolved


def _read_as_text(function: Callable[..., Any], *, follow_wrapped: bool) -> inspect.Signature:
    """Return a signature without evaluating what its annotations say."""
    if sys.version_info >= (3, 14):  # they are evaluated when they are read (PEP 649)
        from annotationlib import Format

        return inspect.signature(function, follow_wrapped=follow_wrapped, annotation_format=Format.STRING)
    return inspect.signature(function, follow_wrapped=follow_wrapped)


def _is_bare(parameter: Parameter) -> bool:
    return parameter.annotation in (Parameter.empty, Any) and parameter.default is Parameter.empty
