"""Mounts as keys of an INI section."""

from __future__ import annotations

from wiverno.config.errors import Origin, Problem
from wiverno.config.formats.document import Layer
from wiverno.config.formats.mount_keys import gather_mounts, mount_keys, place_mounts
from wiverno.static.mounts import Mount


def layer(**values: str) -> Layer:
    return {
        key.replace("__", "."): (value, Origin("file", "a.ini", number))
        for number, (key, value) in enumerate(values.items(), 1)
    }


def test_keys_become_tables() -> None:
    """Those of one name are one mount, whatever their order; each keeps its place."""
    problems: list[Problem] = []
    found = gather_mounts(
        layer(
            threads="4", static__a__fallback="true", static__a="/a=x index=i.html", static__b="/b=y",
        ),
        problems,
    )  # fmt: skip
    value, origin = found["static"]
    assert value == [
        {"path": "/a", "directory": "x", "index": "i.html", "fallback": "true"}, {"path": "/b", "directory": "y"},
    ]  # fmt: skip
    assert (list(found), problems) == (["threads", "static"], [])
    assert [origin.of_place(item).line for item in ("0", "0.path", "0.fallback", "1.directory", "1.x")] == [
        3, 3, 2, 4, 4,
    ]  # fmt: skip


def test_a_layer_without_such_keys_is_untouched() -> None:
    """The same object: most configurations have none."""
    plain = layer(threads="4", static="/a=x")
    assert gather_mounts(plain, []) is plain


def test_both_forms_in_one_section() -> None:
    """Which one is meant can't be known."""
    problems: list[Problem] = []
    found = gather_mounts(layer(static="/a=x", static__b="/b=y"), problems)
    assert found["static"][0] == "/a=x"
    assert [problem.headline() for problem in problems] == [
        "a.ini:2: static.b: stands beside static: use one of the two forms"
    ]


def test_tables_become_keys() -> None:
    """A converted file says the same."""
    assert mount_keys([{"path": "/a", "directory": "x", "fallback": True}, "/b=y index=i.html"]) == {
        "static.1": "/a=x", "static.1.fallback": "true", "static.2": "/b=y", "static.2.index": "i.html",
    }  # fmt: skip


def test_relative_directories_start_from_the_file() -> None:
    """Absolute ones stay; what is wrong is left to the model."""
    assert place_mounts("/a=x /b=/y", "conf/a.ini") == (Mount("/a", "conf/x"), Mount("/b", "/y"))
    assert place_mounts("/a=x", "a.ini") == (Mount("/a", "x"),)
    assert place_mounts("nonsense", "conf/a.ini") == "nonsense"
