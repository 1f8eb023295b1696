"""load_object tells the user's typing errors from the application's own bugs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wiverno.importer import ImportTargetError, load_object

SHOP = """
class Holder:
    inner = "found"
    @property
    def broken(self):
        raise AttributeError("from inside the property")
    def __call__(self, environ, start_response): ...

holder = Holder()

def create_app(): ...
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small package `wshop` on the path, gone again afterwards."""
    package = tmp_path / "wshop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "web.py").write_text(SHOP)
    (package / "broken.py").write_text("import wshop_missing_dependency\n")
    (package / "syntax.py").write_text("def f(:\n")
    (package / "raising.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in [name for name in sys.modules if name.split(".")[0] == "wshop"]:
        del sys.modules[name]


@pytest.mark.usefixtures("shop")
class TestLoadObject:
    def test_finds_an_attribute(self) -> None:
        assert callable(load_object("wshop.web:create_app"))

    def test_follows_a_dotted_attribute(self) -> None:
        assert load_object("wshop.web:holder.inner") == "found"

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ("wshop.web", "'wshop.web' names no object; write 'module:attribute', like 'wshop.web:app'"),
            ("wshop.web.app", "'wshop.web.app' names no object; write 'module:attribute', like 'wshop.web:app'"),
            ("shop.create_app", "'shop.create_app' names no object; write 'module:attribute', like 'shop:create_app'"),
            ("app", "'app' names no object; write 'module:attribute', like 'app:app'"),
            ("wshop.web:", "'wshop.web:' names no object; write 'module:attribute', like 'wshop.web:app'"),
            (":app", "':app' names no object; write 'module:attribute', like 'module:app'"),
            ("", "'' names no object; write 'module:attribute', like 'module:app'"),
            ("src/app.py", "'src/app.py' is a file name; write the module and the object, like 'src.app:app'"),
            ("src/app.py:app", "'src/app.py:app': 'src/app.py' is a path; write the module's name, like 'src.app:app'"),
            ("app.py:", "'app.py' is a file name; write the module and the object, like 'app:app'"),
            (
                "wshop.web:create_app(debug=True)",
                "is a call; name the function, 'wshop.web:create_app', and say that it makes the application: factory",
            ),
            ("wshop.web:a-b", "'wshop.web:a-b': 'a-b' is not a Python name; write 'module:attribute'"),
            ("wshop..web:app", "'wshop..web:app': '' is not a Python name"),
            ("wshop.wep:app", "'wshop.wep:app': there is no module 'wshop.wep'; did you mean 'wshop.web'?"),
            ("wshop.qqqq:app", "'wshop.qqqq:app': there is no module 'wshop.qqqq'; looked in package 'wshop'"),
            ("wshoq.web:app", "there is no module 'wshoq'; did you mean 'wshop'?"),
            ("wshop.web.deep:app", "no module 'wshop.web.deep': 'wshop.web' is a module, not a package"),
            ("wshop.web:create_ap", "module 'wshop.web' has no attribute 'create_ap'; did you mean 'create_app'?"),
            ("wshop.web:zzz", "module 'wshop.web' has no attribute 'zzz'; it defines Holder, create_app, holder"),
            ("wshop.web:zzz", "holder (if create_app makes the application: wshop.web:create_app with --factory)"),
            ("wshop:web", "'wshop.web' is a module; write 'wshop.web:attribute'"),
            ("wshop:zzz", "module 'wshop' has no attribute 'zzz'; it defines nothing callable"),
            ("wshop.web:holder.zzz", "object 'wshop.web.holder' (Holder) has no attribute 'zzz'"),
            ("qzxqzx.qzx:app", "there is no module 'qzxqzx'; looked in the current directory and sys.path"),
        ],
    )
    def test_says_in_one_line_what_is_wrong(self, target: str, message: str) -> None:
        with pytest.raises(ImportTargetError) as caught:
            load_object(target)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("target", "kind"),
        [
            ("wshop.broken:app", ModuleNotFoundError),
            ("wshop.syntax:app", SyntaxError),
            ("wshop.raising:app", ZeroDivisionError),
            ("wshop.web:holder.broken", AttributeError),
        ],
    )
    def test_lets_the_modules_own_errors_through(self, target: str, kind: type[Exception]) -> None:
        with pytest.raises(kind):
            load_object(target)
