"""What may be registered as a handler, and how messages name one: "home (shop.py:12)"."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wiverno.web.request import Request
from wiverno.web.views import BaseView


def as_handler(handler: object) -> Callable[..., Any]:
    """Return the callable that answers requests; for a view class one that makes a view for each request.

    Raises:
        TypeError: ``handler`` is not callable, or is a coroutine function.
    """
    if isinstance(handler, type):
        if not issubclass(handler, BaseView):
            raise TypeError(f"{handler.__qualname__} is a class but not a BaseView; register a function or a BaseView")
        view = handler

        def make_and_call(request: Request) -> Any:
            return view()(request)

        return functools.update_wrapper(make_and_call, view, updated=())
    if not callable(handler):
        raise TypeError(f"a handler is a function of the request, not {type(handler).__name__}")
    require_plain_function(handler)
    return handler


def require_plain_function(function: Callable[..., Any]) -> None:
    """Raise TypeError for a coroutine function."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(f"{name} is 'async def'; this is a WSGI framework, write 'def'")


def view_of(handler: object) -> type[BaseView] | BaseView | None:
    """Return the view class that ``as_handler`` has wrapped, a view object itself, or None for other handlers."""
    if isinstance(handler, BaseView):
        return handler
    wrapped = getattr(handler, "__wrapped__", None)
    return wrapped if isinstance(wrapped, type) and issubclass(wrapped, BaseView) else None


def place_of(handler: object) -> str:
    """Return the ``file:line`` of a handler's source, or nothing where there is no file."""
    try:
        target = inspect.unwrap(handler) if callable(handler) else handler
        if not isinstance(target, type) and not inspect.isfunction(target) and not inspect.ismethod(target):
            target = type(target)
        file = inspect.getsourcefile(target)
        if file is None or not Path(file).is_file():
            return ""  # code made by exec(), which Python 3.13 places in "<string>"
        return f"{file}:{inspect.getsourcelines(target)[1]}"
    except (TypeError, OSError, ValueError):
        return ""


def describe_handler(handler: object) -> str:
    """Return a handler's name and place, as messages write them."""
    name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
    place = place_of(handler)
    return f"{name} ({place})" if place else str(name)
