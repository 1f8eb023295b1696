"""A Pyramid application as its cookiecutter makes them: main(global_config, **settings), served by pserve."""

import json
import logging

from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.view import view_config

log = logging.getLogger(__name__)


@view_config(route_name="home")
def home(request):
    log.info("home was asked for")
    return Response("Pyramid says hello", content_type="text/plain")


@view_config(route_name="settings", renderer="json")
def settings(request):
    wanted = request.registry.settings
    return {name: wanted[name] for name in sorted(wanted) if name.startswith(("site.", "sqlalchemy.")) or name == "greeting"}


def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.add_route("home", "/")
        config.add_route("settings", "/settings")
        config.scan(__name__)
        return config.make_wsgi_app()


class Timing:
    """Middleware: says in a header that it was there, and its settings."""

    def __init__(self, app, header="X-Timing"):
        self.app = app
        self.header = header

    def __call__(self, environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, (self.header, "inside " + json.dumps(self.header))], exc_info)

        return self.app(environ, start)


def timing_filter(global_config, **settings):
    """The same as a Paste filter factory."""
    return lambda app: Timing(app, **settings)
