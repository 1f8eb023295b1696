"""Media types by name."""

from __future__ import annotations

import mimetypes
from pathlib import Path

import pytest

from wiverno.static.media_types import type_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.css", "text/css; charset=utf-8"), ("a.JS", "text/javascript; charset=utf-8"), ("a.svg", "image/svg+xml"),
        ("a.mjs", "text/javascript; charset=utf-8"), ("a.png", "image/png"), ("a.woff2", "font/woff2"),
        ("a.map", "application/json"), ("a.wasm", "application/wasm"), ("a.webmanifest", "application/manifest+json"),
        ("a.avif", "image/avif"), ("a.html", "text/html; charset=utf-8"), ("a.tar.bz2", "application/octet-stream"),
        ("a.tar.gz", "application/gzip"), ("Makefile", "application/octet-stream"),
        ("a.css.br", "application/octet-stream"),
        ("a.xyz", "chemical/x-xyz"), ("a.nonsense", "application/octet-stream"),
        (Path("x/y.txt"), "text/plain; charset=utf-8"),
    ],
)  # fmt: skip
def test_types(name: str | Path, kind: str) -> None:
    """Text is UTF-8; what is compressed is no text."""
    if kind == "chemical/x-xyz":
        kind = mimetypes.MimeTypes().guess_type("a.xyz", strict=False)[0] or "application/octet-stream"
    assert type_of(name) == kind


def test_the_table_of_the_process_does_not_count() -> None:
    """An application that adds types to the standard library's table does not change the server's."""
    mimetypes.add_type("text/x-mine", ".minemine")
    assert type_of("a.minemine") == "application/octet-stream"
