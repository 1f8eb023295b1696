"""Mounts as tables and as text."""

from __future__ import annotations

from typing import Any

import pytest

from wiverno.config.errors import BadValue
from wiverno.config.fields.mount_types import mounts
from wiverno.static.mounts import Mount

TYPE = mounts()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("/static=public", [Mount("/static", "public")]),
        ("/static/=public", [Mount("/static", "public")]),
        ("/=public fallback=true", [Mount("/", "public", fallback=True)]),
        ("/a=x /b=y", [Mount("/a", "x"), Mount("/b", "y")]),
        ("/a=x,/b=y", [Mount("/a", "x"), Mount("/b", "y")]),
        ("\n  /a=/my files/x\n  /b=y\n", [Mount("/a", "/my files/x"), Mount("/b", "y")]),
        ("/a=C:\\x index=index.html", [Mount("/a", "C:\\x", index="index.html")]),
        ("/a=x cache_control=public, max-age=60 immutable=no", [Mount("/a", "x", "public, max-age=60", True, False)]),
        ("/a=x cache_control= precompressed=off", [Mount("/a", "x", "", False)]),
        ("/é/b=x follow_symlinks=1", [Mount("/é/b", "x", follow_symlinks=True)]),
    ],
)
def test_text(text: str, found: list[Mount]) -> None:
    """It is read, and written so that it is read again."""
    assert TYPE.read(text) == tuple(found)
    assert TYPE.read(TYPE.text(tuple(found))) == tuple(found)
    assert TYPE.read(TYPE.native(tuple(found))) == tuple(found)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([{"path": "/a", "directory": "x", "fallback": True}], [Mount("/a", "x", fallback=True)]),
        ([{"path": "/a", "directory": "x", "fallback": "yes"}], [Mount("/a", "x", fallback=True)]),
        (["/a=x", Mount("/b", "y")], [Mount("/a", "x"), Mount("/b", "y")]),
        ([], []),
    ],
)
def test_lists(value: list[Any], found: list[Mount]) -> None:
    """Tables, texts, and what code has made."""
    assert TYPE.read(value) == tuple(found)


@pytest.mark.parametrize(
    ("value", "message", "item"),
    [
        ("static=public", 'a path with a slash, "=" and a directory', ""),
        ([{"path": "static", "directory": "x"}], "path: expected a path that begins with a slash", "0.path"),
        ([{"path": "/a//b", "directory": "x"}], "path: expected a path such as /static", "0.path"),
        ([{"path": "/a/../b", "directory": "x"}], "path: expected a path such as /static", "0.path"),
        ([{"path": "/a?b", "directory": "x"}], "path: expected a path such as /static", "0.path"),
        ([{"path": "/a%20b", "directory": "x"}], "path: expected a path such as /static", "0.path"),
        ([{"path": 7, "directory": "x"}], "path: expected text", "0.path"),
        ([{"path": "/a", "directory": ""}], "directory: expected the path of a directory", "0.directory"),
        ([{"path": "/a", "directory": "x\0"}], "directory: expected the path of a directory", "0.directory"),
        ([{"path": "/a"}], "a mount needs a directory", "0"),
        ([{"directory": "x"}], "a mount needs a path", "0"),
        (["/a"], "a mount needs a directory", "0"),
        ([{"path": "/a", "directory": "x", "fallbak": True}], '"fallbak" is no key of a mount', "0.fallbak"),
        ([{"path": "/a", "directory": "x", "fallback": 1}], "fallback: expected true or false", "0.fallback"),
        ([{"path": "/a", "directory": "x", "fallback": "maybe"}], "fallback: expected true or false", "0.fallback"),
        ([{"path": "/a", "directory": "x", "index": "a/b"}], "index: expected the name of a file", "0.index"),
        ([{"path": "/a", "directory": "x", "cache_control": "a\nb"}], "cache_control: expected directives", "0.cache"),
        (["/a=x", "/a/=y"], "/a is mounted twice", "1.path"),
        ([7], "expected a table with path and directory", "0"),
        (7, "expected a list of tables", ""),
        ({"path": "/a", "directory": "x"}, "expected a list of tables", ""),
    ],
)
def test_mistakes(value: Any, message: str, item: str) -> None:
    """Each has the name of its place."""
    with pytest.raises(BadValue) as caught:
        TYPE.read(value)
    assert message in caught.value.message
    assert caught.value.item.startswith(item)
