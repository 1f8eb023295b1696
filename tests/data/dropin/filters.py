"""A filter of PasteDeploy's older kind, as Plone's INI files have them."""

from collections.abc import Callable, Iterable
from typing import Any


def numbered(app: Callable[..., Iterable[bytes]], global_conf: dict[str, str]) -> Callable[..., Iterable[bytes]]:
    def filtered(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Filtered", "yes")], exc_info)

        return app(environ, start)

    return filtered
