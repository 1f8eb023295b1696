from typing import Any

from pyramid.view import view_config


@view_config(route_name="home", renderer="json")
def home(request: Any) -> dict[str, Any]:
    keys = ("SERVER_SOFTWARE", "REMOTE_ADDR", "wsgi.url_scheme", "SCRIPT_NAME")
    return {"project": request.registry.settings["shop.name"], **{key: request.environ[key] for key in keys}}


@view_config(route_name="upload", renderer="json", request_method="POST")
def upload(request: Any) -> dict[str, Any]:
    return {"size": len(request.body)}
