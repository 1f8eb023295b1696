"""A Pyramid application, with the factory that `call:pages:main` names."""

from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.router import Router
from pyramid.view import view_config


def main(global_config: dict[str, str], **settings: Any) -> Router:
    """Return the application, as PasteDeploy asks for it."""
    with Configurator(settings=settings) as config:
        config.add_route("home", "/")
        config.add_route("entry", "/entries/{number}")
        config.scan(__name__)
        return config.make_wsgi_app()


@view_config(route_name="home")
def home(request: Request) -> Response:
    """Greet with a setting."""
    return Response(request.registry.settings["greeting"])


@view_config(route_name="entry", renderer="json")
def entry(request: Request) -> dict[str, str]:
    """Answer with JSON."""
    return {"number": request.matchdict["number"], "client": request.client_addr}
