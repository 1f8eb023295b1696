"""The public names, each loaded from its room when it is first used (PEP 562).

Nothing is imported here, so `import wiverno` costs nothing and a process that only serves never loads the framework,
click, watchfiles or PasteDeploy. Rooms import each other directly and never from this module.
"""

__version__ = "2.0.0"

TYPE_CHECKING = False  # the name is what type checkers go by; importing typing would take as long as all the rest
if TYPE_CHECKING:
    from wiverno.config.settings import Adjustments as Adjustments
    from wiverno.core.server import RunServer as RunServer
    from wiverno.core.server import create_server as create_server
    from wiverno.serving import profile as profile
    from wiverno.serving import serve as serve
    from wiverno.serving import serve_paste as serve_paste
    from wiverno.web.application import Wiverno as Wiverno
    from wiverno.web.request import Request as Request
    from wiverno.web.response import Response as Response
    from wiverno.web.router import Router as Router
    from wiverno.web.templating import Templator as Templator
    from wiverno.web.views import BaseView as BaseView

_ROOMS = {
    "Adjustments": "wiverno.config.settings",
    "BaseView": "wiverno.web.views",
    "Request": "wiverno.web.request",
    "Response": "wiverno.web.response",
    "Router": "wiverno.web.router",
    "RunServer": "wiverno.core.server",
    "Templator": "wiverno.web.templating",
    "Wiverno": "wiverno.web.application",
    "create_server": "wiverno.core.server",
    "profile": "wiverno.serving",
    "serve": "wiverno.serving",
    "serve_paste": "wiverno.serving",
}

__all__ = [
    "Adjustments",
    "BaseView",
    "Request",
    "Response",
    "Router",
    "RunServer",
    "Templator",
    "Wiverno",
    "create_server",
    "profile",
    "serve",
    "serve_paste",
]


def __getattr__(name: str) -> object:
    """Load a public name from the room that owns it.

    Raises:
        AttributeError: the name is not public.
    """
    room = _ROOMS.get(name)
    if room is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    value: object = getattr(import_module(room), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
