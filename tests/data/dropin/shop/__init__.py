"""A Pyramid application as its cookiecutter lays one out."""

from typing import Any

from pyramid.config import Configurator


def main(global_config: dict[str, str], **settings: str) -> Any:
    """Return the WSGI application."""
    with Configurator(settings=settings) as config:
        config.include(".routes")
        config.scan(".views")
        return config.make_wsgi_app()
