"""A guestbook: the framework's routes, forms, templates and cookies in front of an SQLite file.

Start it with ``wiverno run --config wiverno.toml``, or with ``wiverno run dev`` to have it restarted on every change.
"""

from pathlib import Path
from typing import Any

from book import Book

from wiverno import Request, Response, Router, Templator, Wiverno, abort

HERE = Path(__file__).parent


def create_app(database: str = str(HERE / "guestbook.sqlite"), title: str = "Guestbook") -> Wiverno:
    """Return the application; the arguments are the keys of [app.settings]."""
    app = Wiverno()
    book = Book(database)
    pages = Templator(HERE / "templates", app=app, values={"title": title})

    @app.get("/")
    def home(request: Request) -> str:
        return pages.render("home.html", entries=book.latest(), name=request.cookies.get("name", ""))

    @app.post("/")
    def write(request: Request) -> Response:
        name, message = (str(request.form.get(field, "")).strip() for field in ("name", "message"))
        if not name or not message:
            abort(400, "A name and a message are needed.")
        book.write(name[:80], message[:2000])
        answer = Response("", 303, {"Location": app.url_for("home")})
        answer.set_cookie("name", name[:80], max_age=30 * 24 * 3600, httponly=True, samesite="Lax")
        return answer

    app.include_router(api(book), "/api")
    return app


def api(book: Book) -> Router:
    """Return the routes for programs."""
    router = Router()

    @router.get("/entries")
    def entries(request: Request) -> list[dict[str, Any]]:
        return [as_json(entry) for entry in book.latest()]

    @router.get("/entries/{number:int}")
    def entry(number: int) -> dict[str, Any]:
        found = book.find(number)
        if found is None:
            abort(404, "No such entry.")
        return as_json(found)

    return router


def as_json(entry: Any) -> dict[str, Any]:
    """Return an entry as the programs get it."""
    return {"id": entry.id, "name": entry.name, "message": entry.message, "written": entry.written}


def __getattr__(name: str) -> Wiverno:
    """Make `app` when `wiverno run dev` asks for it; the configuration file calls `create_app` instead."""
    if name == "app":
        return create_app()
    raise AttributeError(name)
