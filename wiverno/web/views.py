"""A view as a class: one method a request method.

    @app.route("/items/{id:int}")
    class Item(BaseView):
        def get(self, request): ...
        def delete(self, request): ...

Each request gets its own instance, so that what a view keeps on ``self`` is never shared between threads.
"""

from __future__ import annotations

from typing import Any

from wiverno.web.errors import MethodNotAllowed
from wiverno.web.request import Request

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class BaseView:
    """Base of class views; defines no method itself, so an address answers exactly what its class defines."""

    @classmethod
    def methods(cls) -> tuple[str, ...]:
        """Return the request methods that the class defines."""
        return tuple(method for method in METHODS if callable(getattr(cls, method.lower(), None)))

    def __call__(self, request: Request) -> Any:
        """Answer with the method that is named like the request's; HEAD falls back to ``get``."""
        handler = getattr(self, request.method.lower(), None) if request.method in METHODS else None
        if handler is None and request.method == "HEAD":
            handler = getattr(self, "get", None)
        if handler is None:
            raise MethodNotAllowed(self.methods())
        return handler(request)
