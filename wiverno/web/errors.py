"""The exception that means an HTTP error response.

A mistake of the *client* is raised as an ``HTTPError`` with its status: while a body is parsed, while a route is
searched, or in a handler (``abort(404)``). Every other exception is a bug: 500.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

from werkzeug.exceptions import HTTPException


class HTTPError(Exception):
    """A request that gets an error page.

    Attributes:
        status: The status code, 400 to 599.
        message: One sentence for the client. It is shown, so it must not contain secrets.
        headers: Further header fields of the answer, such as ``Allow``.
    """

    def __init__(self, status: int, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise ValueError(f"{status!r} is not an error status (400–599)")
        self.status = int(status)
        self.message = message or describe(self.status)
        self.headers: dict[str, str] = dict(headers or {})
        super().__init__(f"{self.status} {reason(self.status)}: {self.message}")


class MethodNotAllowed(HTTPError):
    """The path exists, with other methods; carries ``Allow`` as RFC 9110 §15.5.6 demands."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        methods = ", ".join(allowed)
        super().__init__(405, f"This address answers {methods}.", {"Allow": methods})


@dataclass(frozen=True, slots=True)
class Problem:
    """One value of a request that does not fit.

    Attributes:
        place: Where it is, like ``("body", "items", 0, "price")``.
        message: What is wrong, in pydantic's words.
        kind: The same as one word for programs, like ``"missing"``.
    """

    place: tuple[str | int, ...]
    message: str
    kind: str


class Invalid(HTTPError):
    """A body, a query, a form or a path that does not fit its handler's annotation; 422 (RFC 9110 §15.5.21).

    Attributes:
        problems: The first fifty values that do not fit.
    """

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        self.problems = problems
        super().__init__(422, message)


def as_http_error(error: Exception) -> HTTPError | None:
    """Return an exception as an ``HTTPError``, or None if it is a bug.

    Werkzeug's exceptions come from its streams and from applications that use Werkzeug directly.
    """
    if isinstance(error, HTTPError):
        return error
    if isinstance(error, HTTPException) and error.code is not None and 400 <= error.code <= 599:
        return HTTPError(error.code, error.description or "")
    return None


def abort(status: int, message: str = "", headers: Mapping[str, str] | None = None) -> NoReturn:
    """Leave the handler with an error page.

    Raises:
        HTTPError: always.
    """
    raise HTTPError(status, message, headers)


def reason(status: int) -> str:
    """Return the reason phrase of a status code; "Unknown" for an unregistered one."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def describe(status: int) -> str:
    """Return one sentence for a status that was raised without a message."""
    return _SENTENCES.get(status, f"{reason(status)}.")


_SENTENCES = {
    400: "The request could not be understood.",
    401: "This page needs you to sign in.",
    403: "You are not allowed to see this page.",
    404: "There is nothing at this address.",
    405: "This address does not answer that method.",
    413: "The request is larger than this application accepts.",
    415: "The request's body has a type this address does not accept.",
    422: "The request's values do not fit.",
    416: "The requested range lies outside the file.",
    500: "Something went wrong on our side.",
    503: "The service cannot answer just now; try again in a moment.",
}
