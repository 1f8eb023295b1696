"""Registering handlers: decorators, groups of routes under a prefix, names for ``url_for``.

A ``Router`` only collects routes. A route that is added to it, before or after another router included it, reaches
every router that includes it. The application has the table in which paths are looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from os import PathLike
from typing import Never, TypeAlias, TypeVar
from urllib.parse import urlencode

from wiverno.web import other_names
from wiverno.web.files import StaticFiles
from wiverno.web.handlers import as_handler, describe_handler
from wiverno.web.mount import MOUNTS
from wiverno.web.patterns import CONVERTERS, Converter, Pattern, PatternError, join, parse_pattern
from wiverno.web.response import ReturnValue
from wiverno.web.route_tree import Route
from wiverno.web.views import BaseView

Handler: TypeAlias = Callable[..., ReturnValue]
_H = TypeVar("_H", bound=Handler | type[BaseView])


class Router:
    """A group of routes.

    Args:
        prefix: Put before every path of the group, like ``"/shop"``.
        name: Put before every name of the group, like ``"shop"`` for ``"shop.item"``.
        converters: Further kinds of parameters for the group, by name.
    """

    _is_application = False

    def __init__(
        self, prefix: str = "", *, name: str = "", converters: Mapping[str, Converter | type[Converter]] | None = None
    ) -> None:
        self.prefix = _check_prefix(prefix)
        self.name = name
        self.routes: list[Route] = []
        self._converters: dict[str, Converter] = dict(CONVERTERS)
        self._included_in: list[tuple[Router, str]] = []
        self._names: dict[str, list[Route]] = {}
        for kind, converter in (converters or {}).items():
            self.add_converter(kind, converter)

    def add_converter(self, kind: str, converter: Converter | type[Converter]) -> None:
        """Define ``{name:kind}`` for the routes that are added later."""
        made = converter() if isinstance(converter, type) else converter
        if not isinstance(made, Converter):
            raise TypeError(f"{kind!r}: a converter is a Converter, not {type(made).__name__}")
        if not kind.isidentifier():
            raise ValueError(f"{kind!r} is not a name for a converter")
        self._converters[kind] = made

    def add_route(
        self,
        path: str,
        handler: Handler | type[BaseView],
        methods: Iterable[str] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        """Register ``handler`` for ``path``.

        Args:
            path: The pattern, like ``"/items/{id:int}"``.
            handler: A function of the request, or a ``BaseView`` class or object.
            methods: The methods that it answers; GET by default, for a view those that its class defines.
            name: The name for ``url_for``; the handler's name by default.

        Raises:
            PatternError: the pattern is wrong, or another route answers the same requests.
            TypeError: the handler is not callable, or is a coroutine function.
        """
        call = as_handler(handler)
        given = _check_methods(methods, handler)
        pattern = join(self._prefix_pattern(""), parse_pattern(path, self._converters))
        own_name: str = name or getattr(handler, "__name__", None) or type(handler).__name__
        full_name = self._name_below(own_name)
        names = tuple(parameter.name for parameter in pattern.parameters)
        self._accept(Route(pattern, given, call, full_name, name is not None, names))

    def route(
        self, path: str, methods: Iterable[str] | None = None, *, name: str | None = None, **unknown: Never
    ) -> Callable[[_H], _H]:
        """Decorate a handler or view for ``path`` and several methods."""
        _refuse_arguments(path, unknown)
        if callable(path):
            name = getattr(path, "__name__", "")
            raise TypeError(f"{describe_handler(path)}: a route needs its path, like @app.get('/{name}')")

        def register(handler: _H) -> _H:
            self.add_route(path, handler, methods, name=name)
            return handler

        return register

    def get(self, path: str, *, name: str | None = None, **unknown: Never) -> Callable[[_H], _H]:
        """Decorate the handler of GET (and with it HEAD)."""
        return self._route_for("GET", path, name, unknown)

    def post(self, path: str, *, name: str | None = None, **unknown: Never) -> Callable[[_H], _H]:
        """Decorate the handler of POST."""
        return self._route_for("POST", path, name, unknown)

    def put(self, path: str, *, name: str | None = None, **unknown: Never) -> Callable[[_H], _H]:
        """Decorate the handler of PUT."""
        return self._route_for("PUT", path, name, unknown)

    def patch(self, path: str, *, name: str | None = None, **unknown: Never) -> Callable[[_H], _H]:
        """Decorate the handler of PATCH."""
        return self._route_for("PATCH", path, name, unknown)

    def delete(self, path: str, *, name: str | None = None, **unknown: Never) -> Callable[[_H], _H]:
        """Decorate the handler of DELETE."""
        return self._route_for("DELETE", path, name, unknown)

    def head(self, path: str, *, name: str | None = None, **unknown: Never) -> Callable[[_H], _H]:
        """Decorate the handler of HEAD; without one, the handler of GET answers and the body is dropped."""
        return self._route_for("HEAD", path, name, unknown)

    def options(self, path: str, *, name: str | None = None, **unknown: Never) -> Callable[[_H], _H]:
        """Decorate the handler of OPTIONS; without one, the answer is 204 with Allow."""
        return self._route_for("OPTIONS", path, name, unknown)

    def _route_for(self, method: str, path: str, name: str | None, unknown: Mapping[str, object]) -> Callable[[_H], _H]:
        _refuse_arguments(path, unknown)
        return self.route(path, (method,), name=name)

    def static(
        self,
        url: str,
        folder: str | PathLike[str],
        *,
        name: str | None = None,
        max_age: int | None = None,
        index: str | None = None,
    ) -> None:
        """Serve the files of a folder below ``url``; ``url_for(name, path="css/site.css")`` names one of them.

        Args:
            url: Where they appear, like ``"/static"``.
            folder: Where they are.
            name: The route's name; ``"static"`` by default.
            max_age: How many seconds caches may keep a file without asking.
            index: The file that answers for a folder, like ``"index.html"``.
        """
        files = StaticFiles(folder, max_age=max_age, index=index)
        base = url.rstrip("/")
        self.add_route(base + "/{path:path}", files, name=name or "static")
        if index is not None:
            self.add_route(base + "/", files, name=f"{name or 'static'}.index")

    def include_router(self, router: Router, prefix: str = "") -> None:
        """Include another router's routes below ``prefix``, also those that are added to it later."""
        if not isinstance(router, Router):
            found = router.__name__ if isinstance(router, type) else type(router).__name__
            raise TypeError(f"include_router needs a Router, like Router(prefix='/shop'), not {found}")
        prefix = _check_prefix(prefix)
        if router is self or router in self._all_parents():
            raise ValueError("a router cannot include itself")
        for route in router.routes:
            self._accept(self._below(route, prefix))
        router._included_in.append((self, prefix))

    def url_for(self, name: str, /, **params: object) -> str:
        """Return the path of the route called ``name``; parameters the route does not have go to the query.

        During a request the path begins where the application is mounted (``url_prefix``, SCRIPT_NAME). A group that
        was included elsewhere returns the path under which the application answers.

        Raises:
            LookupError: no route, or more than one, has the name.
            ValueError: a parameter is missing or does not fit its converter.
        """
        routes = self._names.get(name, [])
        patterns = {route.pattern.text for route in routes}
        if len(patterns) != 1:
            if not patterns:
                raise LookupError(f"no route is called {name!r}; there are {', '.join(sorted(self._names)) or 'none'}")
            raise LookupError(f"several routes are called {name!r}: {', '.join(sorted(patterns))}; give them names")
        if self._included_in and not self._is_application:
            return self._url_in_parents(name, params)
        route = routes[0]
        path = MOUNTS.get().get(id(self), "") + route.pattern.build(params)
        query = {key: value for key, value in params.items() if key not in route.parameter_names}
        return f"{path}?{urlencode(query, doseq=True)}" if query else path

    def _url_in_parents(self, name: str, params: dict[str, object]) -> str:
        found = {parent.url_for(parent._name_below(name), **params) for parent, _ in self._included_in}
        if len(found) != 1:
            raise LookupError(f"{name!r} is included in several places: {', '.join(sorted(found))}; ask one of them")
        return found.pop()

    def _accept(self, route: Route) -> None:
        others = [other for other in self._names.get(route.name, []) if other.pattern.text != route.pattern.text]
        if route.is_named and any(other.is_named for other in others):
            raise PatternError(f"{route.pattern.text}: {others[0].pattern.text} is already called {route.name!r}")
        self._store(route)
        self.routes.append(route)
        self._names.setdefault(route.name, []).append(route)
        for parent, prefix in self._included_in:
            parent._accept(parent._below(route, prefix))

    def _store(self, route: Route) -> None:
        """Store a route; an application adds it to its table."""

    def _below(self, route: Route, prefix: str) -> Route:
        """Return an included router's route with this router's prefix and name."""
        pattern = join(self._prefix_pattern(prefix), route.pattern)
        names = tuple(parameter.name for parameter in pattern.parameters)
        return replace(route, pattern=pattern, name=self._name_below(route.name), parameter_names=names)

    def _name_below(self, name: str) -> str:
        """Return an included router's name with this router's name in front."""
        return f"{self.name}.{name}" if self.name else name

    def _prefix_pattern(self, prefix: str) -> Pattern | None:
        text = self.prefix + prefix
        return parse_pattern(text, self._converters) if text else None

    def _all_parents(self) -> set[Router]:
        parents = {parent for parent, _ in self._included_in}
        return parents.union(*(parent._all_parents() for parent in parents))


other_names.refuse(Router, other_names.ROUTER)


def _refuse_arguments(path: object, unknown: Mapping[str, object]) -> None:
    for word in unknown:
        raise TypeError(
            f"{path!r}: there is no argument {word!r}; {other_names.ARGUMENTS.get(word, 'there is only name')}"
        )


def _check_methods(methods: Iterable[str] | None, handler: object) -> tuple[str, ...]:
    if methods is None:
        view = handler if isinstance(handler, type) else type(handler)
        if issubclass(view, BaseView):
            found = view.methods()
            if not found:
                raise TypeError(f"{view.__qualname__} defines no method; write 'def get(self, request)'")
            return found
        return ("GET",)
    if isinstance(methods, str):
        raise TypeError(f"methods is a list of methods, like [{methods!r}]")
    given = tuple(dict.fromkeys(methods))
    for method in given:
        if not method.isascii() or not method.isalpha() or not method.isupper():
            raise ValueError(f"{method!r} is not a method; methods are written in capitals, like 'GET'")
    if not given:
        raise ValueError("a route needs at least one method")
    return given


def _check_prefix(prefix: str) -> str:
    if not isinstance(prefix, str):
        raise TypeError(f"a prefix is text, like '/shop', not {type(prefix).__name__}")
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        raise PatternError(f"{prefix!r}: a prefix starts with a slash and does not end with one, like '/shop'")
    return prefix
