"""Templates escape every value, whatever their file is called."""

from __future__ import annotations

import sys
from pathlib import Path

import jinja2
import pytest

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
