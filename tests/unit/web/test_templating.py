"""Templates escape every value, whatever their file is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest

from tests.support.wsgi import call
from wiverno.web.application import Wiverno
from wiverno.web.request import Request
from wiverno.web.templating import Templator


def test_values_are_escaped_in_every_kind_of_file(tmp_path: Path) -> None:
    for name in ("a.html", "a.txt", "a"):
        (tmp_path / name).write_text("Hello {{ name }}!")
        assert Templator(tmp_path).render(name, name="<b>") == "Hello &lt;b&gt;!"


def test_values_come_from_a_mapping_keywords_and_globals(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("{{ a }} {{ b }} {{ c }} {{ a|loud }}")
    templator = Templator(str(tmp_path), values={"c": 3}, filters={"loud": lambda text: f"{text}!"})
    assert templator.render("a.html", {"a": 1, "b": 1}, b=2) == "1 2 3 1!"


def test_unknown_names_are_errors_unless_allowed(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("[{{ nothing }}]")
    with pytest.raises(jinja2.UndefinedError, match="'nothing' is undefined"):
        Templator(tmp_path).render("a.html")
    assert Templator(tmp_path, strict=False).render("a.html") == "[]"


def test_templates_stay_in_their_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "templates").mkdir()
    with pytest.raises(jinja2.TemplateNotFound):
        Templator(tmp_path / "templates").render("../secret")


def test_without_jinja_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pip install 'wiverno\[templates\]>=2'"):
        Templator()


def test_templates_know_the_request_and_addresses(tmp_path: Path) -> None:
    """``request`` where it is given, ``url_for`` of the application, and values that are made for each request."""
    (tmp_path / "a.html").write_text("{{ request.path }} {{ url_for('user', id=7) }} {{ user }} {{ a }} {{ b }}")
    app = Wiverno()
    pages = Templator(tmp_path, app=app)

    @pages.for_each_request
    def of_the_request(request: Request) -> dict[str, Any]:
        return {"user": request.query_params["user"], "b": "lost"}

    @app.get("/users/{id:int}")
    def user(request: Request) -> str:
        return pages.render(request, "a.html", {"a": 1}, b=2)

    got = call(app, path="/users/7", QUERY_STRING="user=%3Cann%3E", SCRIPT_NAME="/m")
    assert got.body == b"/users/7 /m/users/7 &lt;ann&gt; 1 2"


def test_own_filters_and_functions(tmp_path: Path) -> None:
    """Decorators add them under their names; what they return is escaped too."""
    (tmp_path / "a.html").write_text("{{ 3|money }} {{ asset('a&b.css') }}")
    pages = Templator(tmp_path)

    @pages.filter
    def money(amount: float) -> str:
        return f"{amount:.2f} €"

    @pages.value
    def asset(name: str) -> str:
        return f"/static/{name}"

    assert pages.render("a.html") == "3.00 € /static/a&amp;b.css"
    assert (money(1), asset("x")) == ("1.00 €", "/static/x")
