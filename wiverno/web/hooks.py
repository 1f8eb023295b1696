"""Code around every request of an application: middleware, and hooks before and after the handler.

    outermost middleware → … → innermost middleware → before_request → handler → after_request → … and back

A middleware is called as ``middleware(request, call_next)`` and returns a response, usually that of
``call_next(request)``. What is raised further in has become a page before it sees it, so it sees a response for every
request: also 404, 405 and 500. The chain is put together when something is added to it, not for each request; an
application that uses none of it never comes here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from wiverno.web.answers import ReturnError, answer, has_body
from wiverno.web.handlers import describe_handler, require_plain_function
from wiverno.web.request import Request
from wiverno.web.response import Answer, Response, ReturnValue, close_body
from wiverno.wsgi_types import Environ

CallNext: TypeAlias = Callable[[Request], Response]
Middleware: TypeAlias = Callable[[Request, CallNext], ReturnValue]
BeforeHook: TypeAlias = Callable[[Request], ReturnValue | None]
AfterHook: TypeAlias = Callable[[Request, Response], ReturnValue | None]
Fail: TypeAlias = Callable[[Request, Exception], Answer]


class FinishedResponse(Response):
    """A response whose body is encoded already; hooks may change its status and fields, or replace its body.

    ``body`` is ``bytes``, or an iterable of bytes for a file or a stream.
    """

    __slots__ = ("_chunks", "_shown")

    def __init__(self, found: Answer) -> None:
        status, headers, chunks = found
        super().__init__(status=status)
        self.headers.extend(headers)
        self._chunks = chunks
        # An answer in one piece is shown as it is, so that a hook can read it.
        self.body = self._shown = chunks[0] if type(chunks) is list and len(chunks) == 1 else chunks  # type: ignore[assignment]

    def finish(self, environ: Environ) -> Answer:
        """Return the answer with what hooks have changed."""
        if self.body is self._shown and has_body(self.status):
            return self.status, list(self.headers), self._chunks
        self.discard()
        if self.body is self._shown:
            self.body = b""
        else:
            self.headers.remove("Content-Length")
        return answer(Response(self.body, self.status, list(self.headers)), environ)

    def discard(self) -> None:
        """Close the encoded body, which is not going to be sent."""
        close_body(self._chunks)


class HookChain:
    """Everything around the handlers of one application.

    Args:
        find: Answers a request by its route.
        fail: Answers a request during which an exception was raised.
    """

    def __init__(self, find: Callable[[Request], Answer], fail: Fail) -> None:
        self._find = find
        self._fail = fail
        self._before: tuple[BeforeHook, ...] = ()
        self._after: tuple[AfterHook, ...] = ()
        self._layers: tuple[Middleware, ...] = ()
        self._run: CallNext = self._run_hooks

    def add_before(self, hook: BeforeHook) -> None:
        """Add a function of the request; it runs after those that were added before it."""
        require_arguments(hook, 1, "before_request", "request")
        self._before = (*self._before, hook)

    def add_after(self, hook: AfterHook) -> None:
        """Add a function of request and response; it runs before those that were added before it."""
        require_arguments(hook, 2, "after_request", "request, response")
        self._after = (hook, *self._after)

    def add_middleware(self, layer: Middleware) -> None:
        """Add a middleware inside of those that were added before it."""
        require_arguments(layer, 2, "middleware", "request, call_next")
        self._layers = (*self._layers, layer)
        run: CallNext = self._run_hooks
        for one in reversed(self._layers):
            run = self._around(one, run)
        self._run = run

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        if not self._after and not self._layers:
            return self._answer_first(request)  # no response has to be shown to a hook
        return _finish(self._run(request), request.environ)

    def _around(self, layer: Middleware, inner: CallNext) -> CallNext:
        """Return a middleware as a function of the request."""

        def run(request: Request) -> Response:
            made: list[Response] = []

            def call_next(request: Request) -> Response:
                made.append(inner(request))
                return made[-1]

            try:
                result = layer(request, call_next)
                response = result if isinstance(result, Response) else _finished(result, layer, request.environ)
            except BaseException as error:
                if not isinstance(error, Exception):
                    _discard(made, None)
                    raise  # SystemExit may be a signal handler's: the server decides
                response = FinishedResponse(self._fail(request, error))  # those around it see a page
            _discard(made, response)
            return response

        return run

    def _run_hooks(self, request: Request) -> Response:
        """Call the hooks and, unless one of them answers, the handler."""
        try:
            response: Response = FinishedResponse(self._answer_first(request))
        except Exception as error:  # noqa: BLE001  # whatever a hook or a handler raises becomes a page
            response = FinishedResponse(self._fail(request, error))
        try:
            for hook in self._after:
                result = hook(request, response)
                if result is not None:
                    changed = result if isinstance(result, Response) else _finished(result, hook, request.environ)
                    _discard((response,), changed)
                    response = changed
        except BaseException as error:
            _discard((response,), None)
            if not isinstance(error, Exception):
                raise  # as above
            return FinishedResponse(self._fail(request, error))
        return response

    def _answer_first(self, request: Request) -> Answer:
        """Return what a before hook answers, else what the handler does."""
        for hook in self._before:
            result = hook(request)
            if result is not None:
                return _answer_of(result, hook, request.environ)
        return self._find(request)


def _answer_of(result: ReturnValue, hook: object, environ: Environ) -> Answer:
    """Turn what a hook returned into an answer; the message about a wrong value names the hook."""
    try:
        return answer(result, environ)
    except ReturnError as error:
        error.name(hook)
        raise


def _finished(result: ReturnValue, hook: object, environ: Environ) -> Response:
    return FinishedResponse(_answer_of(result, hook, environ))


def _finish(response: Response, environ: Environ) -> Answer:
    return response.finish(environ) if isinstance(response, FinishedResponse) else answer(response, environ)


def _discard(responses: Iterable[Response], chosen: Response | None) -> None:
    """Close the bodies of responses that another one has replaced."""
    for response in responses:
        if response is not chosen and isinstance(response, FinishedResponse):
            response.discard()


def require_arguments(hook: Callable[..., Any], count: int, kind: str, names: str) -> None:
    """Refuse a hook that cannot be called as hooks of its kind are."""
    if not callable(hook):
        raise TypeError(f"{kind} is for a function of ({names}), not for {type(hook).__name__}")
    require_plain_function(hook)
    try:
        inspect.signature(hook).bind(*[None] * count)
    except TypeError as error:
        name = getattr(hook, "__name__", "hook")
        if isinstance(hook, type):
            raise TypeError(
                f"{kind} is for a function of ({names}), not for the class {name}; write {name}(...)"
            ) from error
        raise TypeError(f"{describe_handler(hook)}: write 'def {name}({names})' for {kind}") from error
    except ValueError:  # Python does not know its parameters
        return
