"""Wiverno: routes and error pages as one WSGI application.

One request: find the route, make the ``Request``, call the handler, turn its result into a WSGI answer. Every exception
on the way ends in ``_answer_exception``: an ``HTTPError`` becomes its page; any other exception is logged with the
request's id and becomes the 500 page, or in debug mode the debug page.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Never, TypeAlias, TypeVar, cast
from urllib.parse import quote

from wiverno.foreign_code import guarded_logger
from wiverno.web.answers import ReturnError, Stream, answer
from wiverno.web.arguments import bind_handler
from wiverno.web.debug_page import render_debug_page
from wiverno.web.error_pages import render_error_page
from wiverno.web.errors import HTTPError, MethodNotAllowed, as_http_error
from wiverno.web.forms import Limits
from wiverno.web.handlers import view_of
from wiverno.web.hooks import AfterHook, BeforeHook, HookChain, Middleware, require_arguments
from wiverno.web.mount import MOUNTS, MountedBody, mount_point
from wiverno.web.patterns import Converter
from wiverno.web.request import Request
from wiverno.web.response import Answer, Response, ReturnValue, close_body, status_line
from wiverno.web.route_tree import Route, RouteTable
from wiverno.web.router import Router
from wiverno.web.values import explain_misuse
from wiverno.wsgi_types import Environ, StartResponse

ErrorPage: TypeAlias = Callable[[Request], ReturnValue] | Callable[[Request, Any], ReturnValue]
_P = TypeVar("_P", bound=ErrorPage)
_B = TypeVar("_B", bound=BeforeHook)
_A = TypeVar("_A", bound=AfterHook)
_M = TypeVar("_M", bound=Middleware)

logger = guarded_logger("wiverno.web")


class Wiverno(Router):
    """The application: a router that answers requests.

    Args:
        page_404: The page for an unknown address; a function of ``(request)`` or ``(request, error)`` that returns
            what any handler may return.
        page_405: The page for a method the address does not answer.
        page_500: The page for an exception in a handler.
        debug: Show exceptions with their traceback. With None the server decides: only the development server
            does. Never switch it on where others can reach the server.
        limits: How much of a request's body and query may be read.
        redirect_slashes: Send ``/users`` to ``/users/`` (and back) when only the other one exists.
        prefix: Put before every path.
        converters: Further kinds of parameters, by name.
    """

    _is_application = True

    def __init__(
        self,
        *unknown: Never,
        page_404: ErrorPage | None = None,
        page_405: ErrorPage | None = None,
        page_500: ErrorPage | None = None,
        debug: bool | None = None,
        limits: Limits | None = None,
        redirect_slashes: bool = True,
        prefix: str = "",
        converters: Mapping[str, Converter | type[Converter]] | None = None,
    ) -> None:
        if unknown:
            raise TypeError(f"an application has no name: write Wiverno(), not Wiverno({unknown[0]!r})")
        if debug is not None and not isinstance(debug, bool):
            raise TypeError(f"debug is True, False or None (the server decides), not {debug!r}")
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"limits are written as Limits(body_bytes=...), not as {type(limits).__name__}")
        self._table = RouteTable()
        # Hooks replace both, so that an application without hooks pays nothing for them.
        self._static = self._table.static
        self._answer_other: Callable[[Request, str], Answer] = self._find_answer
        self._hooks: HookChain | None = None
        self._has_pages_of_classes = False
        super().__init__(prefix, converters=converters)
        self.debug = debug
        self.limits = limits or Limits()
        self.redirect_slashes = redirect_slashes
        self._pages: dict[int | type[Exception], Callable[[Request, Exception], Any]] = {}
        for status, page in ((404, page_404), (405, page_405), (500, page_500)):
            if page is not None:
                self.error_page(status)(page)

    def error_page(self, kind: int | type[Exception]) -> Callable[[_P], _P]:
        """Decorate the page for an error: a function of ``(request)`` or ``(request, error)``.

        If it returns no status, that of the error is sent.

        Args:
            kind: A status, or a class of exceptions that handlers raise; the page of a class is asked first, its status
                is 500, and the exception is not logged.
        """
        if isinstance(kind, type) and issubclass(kind, Exception):
            self._has_pages_of_classes = True
        elif not isinstance(kind, int) or not 400 <= kind <= 599:
            raise ValueError(f"{kind!r} is not an error status (400–599) or a class of exceptions")

        def register(page: _P) -> _P:
            self._pages[kind] = _as_error_page(page)
            return page

        return register

    def before_request(self, hook: _B) -> _B:
        """Decorate a function of ``(request)`` that is called before each handler, in the order of registration.

        If it returns something else than None, that is the response, and the handler is not called.
        """
        self._hook_chain().add_before(hook)
        return hook

    def after_request(self, hook: _A) -> _A:
        """Decorate a function of ``(request, response)`` that is called after each handler, the last one first.

        It may change the response, or return another one. Error pages are responses too.
        """
        self._hook_chain().add_after(hook)
        return hook

    def middleware(self, layer: _M) -> _M:
        """Add a middleware, or decorate one: a function of ``(request, call_next)`` that returns a response.

        ``call_next(request)`` returns the response of the handler or an error page. The middleware that is added first
        is the outermost one; hooks are inside of all of them.
        """
        self._hook_chain().add_middleware(layer)
        return layer

    def _hook_chain(self) -> HookChain:
        if self._hooks is None:
            chain = HookChain(lambda request: self._find_answer(request, request.method), self._answer_exception)
            self._static = {}
            self._answer_other = lambda request, method: chain.answer(request)
            self._hooks = chain
        return self._hooks

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        if environ.get("SCRIPT_NAME") and MOUNTS.get().get(id(self), "") != (root := mount_point(environ)):
            return self._answer_mounted(environ, start_response, root)
        method = environ["REQUEST_METHOD"]
        leaf = self._static.get(environ["PATH_INFO"]) if "PATH_INFO" in environ else None
        route = leaf.get(method) if leaf is not None else None
        if route is not None:
            request = Request(environ, {}, self.limits)
            try:
                status, headers, body = answer(route.call(request), environ)
            except Exception as error:  # noqa: BLE001  # whatever a handler raises becomes a page
                status, headers, body = self._answer_exception(request, error)
            except BaseException:
                request.close()
                raise  # SystemExit may be a signal handler's: the server decides
        else:
            request = Request(environ, {}, self.limits)
            try:
                status, headers, body = self._answer_other(request, method)
            except Exception as error:  # noqa: BLE001  # whatever a handler raises becomes a page
                status, headers, body = self._answer_exception(request, error)
            except BaseException:
                request.close()
                raise  # as above
        if method == "HEAD":
            close_body(body)
            body = []
        if request._cache is not None and request.has_files:
            body = _Closing(body, request)
        start_response(status, headers)
        return body

    def _answer_mounted(self, environ: Environ, start_response: StartResponse, root: str) -> Iterable[bytes]:
        """Answer one request with the mount point set for ``url_for``."""
        mounts = {**MOUNTS.get(), id(self): root}
        token = MOUNTS.set(mounts)
        try:
            body = self(environ, start_response)
        finally:
            MOUNTS.reset(token)
        return MountedBody(body, mounts) if isinstance(body, Stream | _Closing) else body

    def _store(self, route: Route) -> None:
        self._table.add(replace(route, call=bind_handler(route.handler, route.pattern)))

    def _find_answer(self, request: Request, method: str) -> Answer:
        """Answer a request for a path with parameters, with another method, or without a route."""
        path = _decode(request.environ.get("PATH_INFO") or "/")
        found = self._table.find(method, path)
        if isinstance(found, tuple):
            route, request.path_params = found
            return answer(route.call(request), request.environ)
        if found:
            allowed = tuple(sorted(found | {"OPTIONS"}))
            if method == "OPTIONS":
                return "204 No Content", [("Allow", ", ".join(allowed))], []
            raise MethodNotAllowed(allowed)
        if self.redirect_slashes and len(path) > 1:
            other = path[:-1] if path.endswith("/") else path + "/"
            if isinstance(self._table.find(method, other), tuple):
                return answer(_slash_redirect(request, other), request.environ)
        raise HTTPError(404, self._list_routes(path) if self._shows_errors(request) else "")

    def _shows_errors(self, request: Request) -> bool:
        return bool(request.environ.get("wiverno.debug")) if self.debug is None else self.debug

    def _list_routes(self, path: str) -> str:
        """Return a sentence that names the routes, the most similar first; for debug mode."""
        paths = list(dict.fromkeys(route.pattern.text for route in self.routes))
        if not paths:
            return f"No route answers {path}: the application has none."
        near = difflib.get_close_matches(path, paths, n=10, cutoff=0.3)
        shown = [*near, *(text for text in paths if text not in near)][:10]
        return f"No route answers {path}. There are {', '.join(shown)}{', …' if len(paths) > 10 else ''}"

    def _answer_exception(self, request: Request, error: Exception) -> Answer:
        """Answer a request during which ``error`` was raised."""
        if isinstance(error, ReturnError):
            self._name_handler(error, request)
        problem = as_http_error(error) or _misused_json(request, error)
        what = f"{_escape_method(request.method)} {request.raw_path}"
        cause = problem or error
        page = self._page_of_class(error)
        if page is not None:
            problem, cause = problem or HTTPError(500), error
        elif problem is None:
            _raise_for_tests(request, error)
            logger.error("%s failed, request %s", what, request.id, exc_info=error)
            if self._shows_errors(request):
                return answer(render_debug_page(error, request.environ), request.environ)
            problem = HTTPError(500)
        elif problem.status in _CLIENT_MISTAKES:
            message = problem.message if problem.message.isprintable() else repr(problem.message)
            logger.warning("%s answered %d, request %s: %s", what, problem.status, request.id, message)
        page = page or self._pages.get(problem.status)
        if page is not None:
            try:
                return self._render_own_page(page, request, problem, cause)
            except Exception as second:  # a broken error page is a bug like any other
                if isinstance(second, ReturnError):
                    second.name(page)
                _raise_for_tests(request, second)
                logger.error("the page for %d failed, request %s", problem.status, request.id, exc_info=second)
                if self._shows_errors(request):
                    return answer(render_debug_page(second, request.environ), request.environ)
                problem = HTTPError(500)
        return answer(render_error_page(request, problem), request.environ)

    def _page_of_class(self, error: Exception) -> Callable[[Request, Exception], Any] | None:
        """Return the page for the class of an exception, or for the nearest class that it inherits from."""
        if not self._has_pages_of_classes:
            return None
        return next((self._pages[kind] for kind in type(error).__mro__ if kind in self._pages), None)

    def _name_handler(self, error: ReturnError, request: Request) -> None:
        """Name the handler that returned what is no response; the route is searched again, only for this message."""
        found = self._table.find(request.method, request.path)
        if isinstance(found, tuple):
            handler = found[0].handler
            view = view_of(handler)
            error.name(handler if view is None else getattr(view, request.method.lower(), handler))

    def _render_own_page(
        self, page: Callable[[Request, Exception], Any], request: Request, problem: HTTPError, error: Exception
    ) -> Answer:
        result = page(request, error)
        status, headers, body = answer(result, request.environ)
        # Only a tuple states 200; any other form leaves the status to the error.
        if type(result) is not tuple and status == "200 OK":
            status = status_line(problem.status)
        present = {name.lower() for name, _ in headers}
        headers += [field for field in problem.headers.items() if field[0].lower() not in present]
        return status, headers, body


class _Closing:
    """A body that closes its request's uploaded files at its end."""

    def __init__(self, body: Iterable[bytes], request: Request) -> None:
        self._body = body
        self._request = request

    def __iter__(self) -> Any:
        return iter(self._body)

    def close(self) -> None:
        """Close the body, then the files (PEP 3333)."""
        try:
            close_body(self._body)
        finally:
            self._request.close()


def _as_error_page(page: Callable[..., Any]) -> Callable[[Request, Exception], Any]:
    """Return ``page`` as a function of request and error, also if it takes only the request."""
    try:
        require_arguments(page, 2, "error_page", "request, error")
    except TypeError:
        require_arguments(page, 1, "error_page", "request, error")
        return functools.update_wrapper(lambda request, error: page(request), page)
    return cast("Callable[[Request, Exception], Any]", page)


def _misused_json(request: Request, error: Exception) -> HTTPError | None:
    """Return the client's mistake if a handler took ``true``, ``false`` or ``null`` for an object."""
    read = request._cache or {}
    return explain_misuse(error, read["json"]) if "json" in read else None


def _raise_for_tests(request: Request, error: Exception) -> None:
    """Raise the exception if a test client wants it."""
    if request.environ.get("wiverno.raise_errors"):
        raise error


def _decode(path: str) -> str:
    """Return PATH_INFO as text (PEP 3333, Unicode Issues)."""
    if path.isascii():
        return path
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError as error:
        raise HTTPError(400, "The address is not UTF-8.") from error


def _slash_redirect(request: Request, path: str) -> Response:
    # One slash at the front: "//host/" would be another host's address (RFC 3986 §4.2).
    location = request.root_path + quote("/" + path.lstrip("/"))
    query = request.query_string
    location += f"?{quote(query, safe=_QUERY_SAFE)}" if query else ""
    # 308 keeps the method and the body (RFC 9110 §15.4.9).
    return Response(f"See {location}\n", 308, {"Location": location}, "text/plain; charset=utf-8")


# Raised while a request is read. Nothing else in the log says why the request was refused.
_CLIENT_MISTAKES = frozenset({400, 413, 415, 422})

_QUERY_SAFE = "!$&'()*+,;=:@/?-._~%"


def _escape_method(method: str) -> str:
    return method if method.isalpha() and method.isascii() else repr(method)
