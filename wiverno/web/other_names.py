"""What other frameworks call things, and what they are called here. Only error messages read these tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NoReturn

# Flask, Django, Pyramid, Starlette.
REQUEST: Final[Mapping[str, str]] = {
    "args": "request.query_params", "GET": "request.query_params", "query": "request.query_params",
    "POST": "request.form", "FILES": "request.files", "COOKIES": "request.cookies", "META": "request.environ",
    "get_json": "request.json", "json_body": "request.json", "get_data": "request.body",
    "view_args": "request.path_params", "matchdict": "request.path_params", "remote_addr": "request.client_ip",
    "client": "request.client_ip", "script_root": "request.root_path", "mimetype": "request.content_type",
    "user": "request.state.user, where you have put it",
}  # fmt: skip

RESPONSE: Final[Mapping[str, str]] = {
    "data": "response.body", "content": "response.body", "get_data": "response.body", "set_data": "response.body",
    "mimetype": "response.headers['Content-Type']", "content_type": "response.headers['Content-Type']",
    "media_type": "response.headers['Content-Type']", "vary": "response.add_vary(...)",
}  # fmt: skip

# Of applications and groups.
ROUTER: Final[Mapping[str, str]] = {
    "run": "`wiverno run dev module:app` in a shell, or wiverno.serve(app)",
    "errorhandler": "app.error_page(status or class)", "register_error_handler": "app.error_page(status or class)",
    "exception_handler": "app.error_page(status or class)", "add_exception_handler": "app.error_page(status or class)",
    "add_url_rule": "app.add_route(path, handler)", "api_route": "app.route(path, methods)",
    "register_blueprint": "app.include_router(router)", "test_client": "TestClient(app)",
    "add_middleware": "app.middleware(...)", "mount": "app.static(url, folder) or app.include_router(router, prefix)",
    "secret_key": "app.middleware(Sessions(secret))", "session_interface": "app.middleware(Sessions(secret))",
    "wsgi_app": "the application itself: served = Middleware(app)",
    "template_filter": "Templator.filter", "context_processor": "Templator.for_each_request",
    "jinja_env": "Templator.environment", "url_path_for": "app.url_for(name, ...)",
    "config": "the arguments of a factory, from [app.settings]",
    "teardown_request": "app.middleware with try and finally", "on_event": "code of the module or the factory",
}  # fmt: skip

# Of the decorators of routes.
ARGUMENTS: Final[Mapping[str, str]] = {
    "methods": "app.route takes methods",
    "endpoint": "write name=", "operation_id": "write name=",
    "defaults": "give the handler's parameter a default",
    "strict_slashes": "write Wiverno(redirect_slashes=False)",
    "status_code": "return it with the body, like (201, body)",
    "response_model": "return that model",
    "response_class": "return a Response with its content_type",
    "dependencies": "call them in the handler, in a decorator or in before_request",
}  # fmt: skip


class _OtherName:
    """An attribute that is not there; reading it says what it is called here.

    ``__getattr__`` would say the same, but make every attribute of its class slower.
    """

    def __init__(self, name: str, own: str) -> None:
        self._name = name
        self._own = own

    def __get__(self, instance: object, owner: type) -> NoReturn:
        kind = owner.__name__
        raise AttributeError(f"{kind!r} object has no attribute {self._name!r}; here it is {self._own}")


def refuse(owner: type, names: Mapping[str, str]) -> None:
    """Let a class answer names of other frameworks with an AttributeError that has its own name."""
    for name, own in names.items():
        setattr(owner, name, _OtherName(name, own))
