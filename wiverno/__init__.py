"""The public names, each loaded from its room when it is first used (PEP 562).

Nothing is imported here, so `import wiverno` costs nothing and a process that only serves never loads the framework,
click, watchfiles or PasteDeploy. Rooms import each other directly and never from this module.
"""

from wiverno.version import VERSION

__version__ = VERSION

TYPE_CHECKING = False  # the name is what type checkers go by; importing typing would take as long as all the rest
if TYPE_CHECKING:
    from wiverno.config.errors import ConfigError as ConfigError
    from wiverno.config.loader import load as load
    from wiverno.config.settings import Adjustments as Adjustments
    from wiverno.core.server import BaseWSGIServer as BaseWSGIServer
    from wiverno.core.server import RunServer as RunServer
    from wiverno.core.server import create_server as create_server
    from wiverno.dev.dev_server import DevServer as DevServer
    from wiverno.serving import profile as profile
    from wiverno.serving import serve as serve
    from wiverno.serving import serve_paste as serve_paste
    from wiverno.web.application import Wiverno as Wiverno
    from wiverno.web.arguments import FromForm as FromForm
    from wiverno.web.arguments import FromQuery as FromQuery
    from wiverno.web.cors import CORS as CORS
    from wiverno.web.errors import HTTPError as HTTPError
    from wiverno.web.errors import abort as abort
    from wiverno.web.files import send_file as send_file
    from wiverno.web.forms import Limits as Limits
    from wiverno.web.patterns import Converter as Converter
    from wiverno.web.request import Request as Request
    from wiverno.web.response import Response as Response
    from wiverno.web.response import redirect as redirect
    from wiverno.web.router import Router as Router
    from wiverno.web.sessions import Sessions as Sessions
    from wiverno.web.signing import Signer as Signer
    from wiverno.web.templating import Templator as Templator
    from wiverno.web.testing import TestClient as TestClient
    from wiverno.web.views import BaseView as BaseView

_ROOMS = {
    "Adjustments": "wiverno.config.settings",
    "BaseView": "wiverno.web.views",
    "BaseWSGIServer": "wiverno.core.server",
    "CORS": "wiverno.web.cors",
    "ConfigError": "wiverno.config.errors",
    "Converter": "wiverno.web.patterns",
    "DevServer": "wiverno.dev.dev_server",
    "FromForm": "wiverno.web.arguments",
    "FromQuery": "wiverno.web.arguments",
    "HTTPError": "wiverno.web.errors",
    "Limits": "wiverno.web.forms",
    "Request": "wiverno.web.request",
    "Response": "wiverno.web.response",
    "Router": "wiverno.web.router",
    "RunServer": "wiverno.core.server",
    "Sessions": "wiverno.web.sessions",
    "Signer": "wiverno.web.signing",
    "Templator": "wiverno.web.templating",
    "TestClient": "wiverno.web.testing",
    "Wiverno": "wiverno.web.application",
    "abort": "wiverno.web.errors",
    "create_server": "wiverno.core.server",
    "load": "wiverno.config.loader",
    "profile": "wiverno.serving",
    "redirect": "wiverno.web.response",
    "send_file": "wiverno.web.files",
    "serve": "wiverno.serving",
    "serve_paste": "wiverno.serving",
}

__all__ = [
    "CORS",
    "Adjustments",
    "BaseView",
    "BaseWSGIServer",
    "ConfigError",
    "Converter",
    "DevServer",
    "FromForm",
    "FromQuery",
    "HTTPError",
    "Limits",
    "Request",
    "Response",
    "Router",
    "RunServer",
    "Sessions",
    "Signer",
    "Templator",
    "TestClient",
    "Wiverno",
    "abort",
    "create_server",
    "load",
    "profile",
    "redirect",
    "send_file",
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
    from wiverno.loading import load

    value = globals()[name] = load(room, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
