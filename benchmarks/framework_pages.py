"""One small site in Flask, Django, Pyramid and Falcon, as people run it: a greeting and a page from a template.

`/` and `/greeting/item-N` answer the greeting. `/catalogue/item-N` answers a page of about 10 kB with the items of a
shop; it reads the query string and a cookie. The template is written in what Jinja2 and Django's templates have in
common, so all four send the same bytes. Django has the middleware that `startproject` gives it.

A server finds `flask` or `django` by name through the module's `__getattr__`: only the framework that is measured is
imported.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import apps

GREETING: Final = apps.GREETING.decode()
TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
TEMPLATE: Final = "catalogue.html"
GREETING_PATH: Final = "/greeting/item-"
PAGE_PATH: Final = "/catalogue/item-"
PAGE_LENGTH: Final = 10095
"""Bytes of the page under PAGE_PATH with a number of one digit, without a query string and a cookie."""

SECTIONS: Final = ("home", "catalogue", "orders", "account", "help")
TEXT: Final = "Made by hand & sent on the day of the order, with a guarantee of three years."


@dataclass(frozen=True, slots=True)
class Product:
    """One line of the page."""

    number: int
    name: str
    price: str
    text: str
    is_new: bool


PRODUCTS: Final = [
    Product(number, f"Salt & pepper mill No. {number}", f"{number % 90 + 10}.95 €", TEXT, number % 5 == 0)
    for number in range(100, 145)
]


def context(number: int, query: Mapping[str, str], cookies: Mapping[str, str]) -> dict[str, Any]:
    """The values of the template, from what a request says."""
    return {
        "number": number,
        "sections": SECTIONS,
        "products": PRODUCTS,
        "sort": query.get("sort", ""),
        "page": query.get("page", "1"),
        "query": query.get("query", ""),
        "theme": cookies.get("theme", "light"),
    }


def _jinja_template() -> Any:
    jinja2 = importlib.import_module("jinja2")
    loader = jinja2.FileSystemLoader(TEMPLATES)
    return jinja2.Environment(loader=loader, autoescape=True, keep_trailing_newline=True).get_template(TEMPLATE)


def flask() -> Any:
    """Flask with its own templates (Jinja2)."""
    module = importlib.import_module("flask")
    app = module.Flask("benchmarks", template_folder=str(TEMPLATES))
    app.jinja_options = {"keep_trailing_newline": True}

    def greet(number: int = 0) -> Any:
        return GREETING

    def show(number: int) -> Any:
        return module.render_template(TEMPLATE, **context(number, module.request.args, module.request.cookies))

    app.add_url_rule("/", "greet", greet)
    app.add_url_rule(f"{GREETING_PATH}<int:number>", "greet_again", greet)
    app.add_url_rule(f"{PAGE_PATH}<int:number>", "show", show)
    return app


DJANGO_MIDDLEWARE: Final = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DJANGO_APPLICATIONS: Final = [
    f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions", "messages")
]  # fmt: skip
DJANGO_TEMPLATES: Final = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "DIRS": [str(TEMPLATES)],
    "OPTIONS": {
        "context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]
    },
}


def django() -> Any:
    """Django with its usual middleware and templates; sessions are in cookies, so there is no database."""
    importlib.import_module("django.conf").settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=DJANGO_APPLICATIONS,
        MIDDLEWARE=DJANGO_MIDDLEWARE,
        ROOT_URLCONF=__name__,
        SECRET_KEY="benchmarks",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        TEMPLATES=[DJANGO_TEMPLATES],
        USE_TZ=True,
    )
    importlib.import_module("django").setup()
    urlpatterns.extend(_django_routes())
    return importlib.import_module("django.core.handlers.wsgi").WSGIHandler()


urlpatterns: list[Any] = []
"""Where Django looks for its routes (ROOT_URLCONF)."""


def _django_routes() -> list[Any]:
    response = importlib.import_module("django.http").HttpResponse
    render = importlib.import_module("django.shortcuts").render
    path = importlib.import_module("django.urls").path

    def greet(request: Any, number: int = 0) -> Any:
        return response(GREETING, content_type="text/plain; charset=utf-8")

    def show(request: Any, number: int) -> Any:
        return render(request, TEMPLATE, context(number, request.GET, request.COOKIES))

    return [
        path("", greet),
        path(f"{GREETING_PATH[1:]}<int:number>", greet),
        path(f"{PAGE_PATH[1:]}<int:number>", show),
    ]


def pyramid() -> Any:
    """Pyramid with Jinja2 as a renderer."""
    configurator = importlib.import_module("pyramid.config").Configurator
    response = importlib.import_module("pyramid.response").Response
    template = _jinja_template()

    def greet(request: Any) -> Any:
        return response(GREETING, content_type="text/plain", charset="utf-8")

    def show(request: Any) -> Any:
        return context(int(request.matchdict["number"]), request.params, request.cookies)

    def make_renderer(info: Any) -> Callable[[dict[str, Any], Any], str]:
        def render(value: dict[str, Any], system: Any) -> str:
            return str(template.render(value))

        return render

    with configurator() as config:
        config.add_renderer(".html", make_renderer)
        config.add_route("home", "/")
        config.add_route("greeting", f"{GREETING_PATH}{{number}}")
        config.add_route("page", f"{PAGE_PATH}{{number}}")
        config.add_view(greet, route_name="home")
        config.add_view(greet, route_name="greeting")
        config.add_view(show, route_name="page", renderer=TEMPLATE)
        return config.make_wsgi_app()


def falcon() -> Any:
    """Falcon with Jinja2."""
    app = importlib.import_module("falcon").App()
    template = _jinja_template()

    class Greet:
        def on_get(self, request: Any, response: Any, number: int = 0) -> None:
            response.content_type = "text/plain; charset=utf-8"
            response.text = GREETING

    class Show:
        def on_get(self, request: Any, response: Any, number: int) -> None:
            response.content_type = "text/html; charset=utf-8"
            response.text = template.render(context(number, request.params, request.cookies))

    greet = Greet()
    app.add_route("/", greet)
    app.add_route(f"{GREETING_PATH}{{number:int}}", greet)
    app.add_route(f"{PAGE_PATH}{{number:int}}", Show())
    return app


FRAMEWORKS: Final[dict[str, Callable[[], Any]]] = {
    "flask": flask,
    "django": django,
    "pyramid": pyramid,
    "falcon": falcon,
}
_made: dict[str, Any] = {}


def __getattr__(name: str) -> Any:
    if not name.endswith("_app") or name.removesuffix("_app") not in FRAMEWORKS:
        raise AttributeError(name)
    framework = name.removesuffix("_app")
    if framework not in _made:
        _made[framework] = FRAMEWORKS[framework]()
    return _made[framework]
