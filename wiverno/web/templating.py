"""Templates: Jinja2 with autoescaping always on.

Jinja2 is an extra (``wiverno[templates]``) and is imported when the first ``Templator`` is made, so an application
without templates never loads it.

    pages = Templator("templates", app=app)
    pages.render(request, "item.html", item=item)       {{ url_for("home") }} {{ request.path }} {{ item.price|money }}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, TypeVar, overload

from wiverno.web.request import Request
from wiverno.web.router import Router

if TYPE_CHECKING:
    from jinja2 import Environment

_F = TypeVar("_F", bound=Callable[..., Any])
_V = TypeVar("_V", bound=Callable[[Request], Mapping[str, Any]])


class Templator:
    """Renders the templates of a folder.

    Every value put into a template is escaped as HTML, whatever the template's file name; mark text that is
    HTML already in the template with ``|safe`` or in Python with ``markupsafe.Markup``.

    Args:
        folder: Where the templates are; a relative path counts from the current directory.
        app: The application whose ``url_for`` the templates know.
        values: Further names that every template knows.
        filters: Further filters, by name.
        auto_reload: Look whether a template changed each time it is used.
        strict: An unknown name in a template is an error instead of an empty text.

    Attributes:
        environment: The Jinja2 environment, for its other features.

    Raises:
        ImportError: Jinja2 is not installed; the message says how to get it.
    """

    def __init__(
        self,
        folder: str | PathLike[str] = "templates",
        *,
        app: Router | None = None,
        values: Mapping[str, Any] | None = None,
        filters: Mapping[str, Callable[..., Any]] | None = None,
        auto_reload: bool = True,
        strict: bool = True,
    ) -> None:
        try:
            import jinja2
        except ImportError as error:
            raise ImportError("templates need Jinja2: pip install 'wiverno[templates]>=2'") from error
        self.folder = fspath(folder)
        self.environment: Environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self.folder),
            autoescape=True,
            auto_reload=auto_reload,
            undefined=jinja2.StrictUndefined if strict else jinja2.Undefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        if app is not None:
            self.environment.globals["url_for"] = app.url_for
        self.environment.globals.update(values or {})
        self.environment.filters.update(filters or {})
        self._of_requests: list[Callable[[Request], Mapping[str, Any]]] = []

    def filter(self, function: _F) -> _F:
        """Decorate a function that templates use as a filter of its name: ``{{ price|money }}``."""
        self.environment.filters[function.__name__] = function
        return function

    def value(self, function: _F) -> _F:
        """Decorate a function that templates call by its name: ``{{ asset("site.css") }}``."""
        self.environment.globals[function.__name__] = function
        return function

    def for_each_request(self, function: _V) -> _V:
        """Decorate a function of the request that returns values by name for templates rendered with a request."""
        self._of_requests.append(function)
        return function

    @overload
    def render(self, template: str, content: Mapping[str, Any] | None = None, /, **values: Any) -> str: ...
    @overload
    def render(
        self, request: Request, template: str, content: Mapping[str, Any] | None = None, /, **values: Any
    ) -> str: ...
    def render(self, first: Any, /, *rest: Any, **values: Any) -> str:
        """Return a template filled in.

        Args:
            first: The request, if the template has to know it as ``request``; else the file's name below the folder.
            *rest: The file's name after a request, then a mapping of values.
            **values: Values by name; they win over those of the mapping, and both over those of the request.

        Raises:
            jinja2.TemplateError: the template does not exist, is wrong, or uses an unknown name.
        """
        content: dict[str, Any] = {}
        if isinstance(first, Request):
            content["request"] = request = first
            for values_of in self._of_requests:
                content.update(values_of(request))
            first, *rest = rest  # type: ignore[assignment]
        for mapping in rest:
            content.update(mapping or {})
        return self.environment.get_template(first).render({**content, **values})
