"""Templates: Jinja2 with autoescaping always on.

Jinja2 is an extra (``wiverno[templates]``) and is imported when the first ``Templator`` is made, so an application
without templates never loads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


class Templator:
    """Renders the templates of a folder.

    Every value put into a template is escaped as HTML, whatever the template's file name; mark text that is
    HTML already in the template with ``|safe`` or in Python with ``markupsafe.Markup``.

    Args:
        folder: Where the templates are; a relative path counts from the current directory.
        values: Names that every template knows, such as ``{"url_for": app.url_for}``.
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
        self.environment.globals.update(values or {})
        self.environment.filters.update(filters or {})

    def render(self, template: str, content: Mapping[str, Any] | None = None, /, **values: Any) -> str:
        """Return a template filled in.

        Args:
            template: The file's name below the folder.
            content: Values by name; those given as keywords win.
            **values: Values by name.

        Raises:
            jinja2.TemplateError: the template does not exist, is wrong, or uses an unknown name.
        """
        return self.environment.get_template(template).render({**(content or {}), **values})
