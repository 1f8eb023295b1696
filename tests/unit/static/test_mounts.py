"""Which mount a path belongs to."""

from __future__ import annotations

import pytest

from wiverno.static.mounts import Mount, MountTable

TABLE = MountTable([Mount("/static", "a"), Mount("/static/js", "b"), Mount("/médias", "c"), Mount("/x y", "d")])


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/static/x.css", ("a", "x.css")), ("/static/js/x.js", ("b", "x.js")), ("/static/jsx", ("a", "jsx")),
        ("/static", ("a", None)), ("/static/", ("a", "")), ("/static/js", ("b", None)), ("/static//x", ("a", "/x")),
        ("/staticx", None), ("/", None), ("", None), ("/x/static/y", None), ("/Static/x", None),
        ("/m\xc3\xa9dias/x", ("c", "x")), ("/m\xe9dias/x", None), ("/x y/z", ("d", "z")),
    ],
)  # fmt: skip
def test_the_longest_path_wins(path: str, found: tuple[str, str | None] | None) -> None:
    """A mount's path ends at a slash."""
    known = TABLE.find(path)
    assert (None if known is None else (known[0].directory, known[1])) == found
    assert known is None or path.startswith(TABLE.prefixes)


def test_everything() -> None:
    """A mount of / takes what no other one does."""
    table = MountTable([Mount("/", "a"), Mount("/b", "b")])
    found = [table.find(path) for path in ("/", "/x/y", "/b/c", "/b", "")]
    assert [known and (known[0].directory, known[1]) for known in found] == [
        ("a", ""), ("a", "x/y"), ("b", "c"), ("b", None), None,
    ]  # fmt: skip
    assert MountTable([]).find("/x") is None
