"""What to tell the developer of a framework that answers exceptions itself, so that the debug page sees none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

_BEGINNING: Final = "the application has answered 500 itself, so there is no debug page in the browser"

HINTS: Final[Mapping[str, str]] = {
    "flask": 'for Flask: app.config["PROPAGATE_EXCEPTIONS"] = True',
    "django": "for Django: DEBUG = True",
    "pyramid": "for Pyramid: an exception view answers; config.include('pyramid_debugtoolbar') shows exceptions",
    "falcon": "for Falcon: app.add_error_handler(Exception, f), where f(req, resp, ex, params) raises ex",
    "bottle": "for Bottle: app.catchall = False",
}
"""By the framework's package, in the order in which they are looked for."""


def _django_shows_its_own() -> bool:
    """Return whether Django's own debug page was shown."""
    try:
        return bool(sys.modules["django.conf"].settings.DEBUG)
    except Exception:  # noqa: BLE001 - the settings are the application's
        return False


_NEEDLESS: Final[Mapping[str, Callable[[], bool]]] = {"django": _django_shows_its_own}


def find_hint(application: Any) -> str | None:
    """Return the hint for an application that has answered 500, None if its framework is not known.

    Middleware hides the framework, so the packages that are imported count too.
    """
    own = str(getattr(type(application), "__module__", "")).partition(".")[0]
    if own == "wiverno":
        return None
    name = own if own in HINTS else next((name for name in HINTS if name in sys.modules), None)
    if name is None or _NEEDLESS.get(name, lambda: False)():
        return None
    return f"{_BEGINNING}; {HINTS[name]}"
