"""Accept-Encoding, as RFC 9110 §12.5.3 says."""

from __future__ import annotations

import pytest

from wiverno.static import encodings
from wiverno.static.encodings import accepted_codings


@pytest.mark.parametrize(
    ("text", "codings"),
    [
        ("gzip, deflate, br, zstd", ("br", "zstd", "gzip")),
        ("gzip", ("gzip",)),
        ("GZIP", ("gzip",)),
        ("x-gzip", ("gzip",)),
        ("br;q=0.5, gzip;q=1.0", ("gzip", "br")),
        ("br;q=0, gzip", ("gzip",)),
        ("*", ("br", "zstd", "gzip")),
        ("*;q=0.1, gzip;q=0", ("br", "zstd")),
        ("identity, gzip;q=0.5", ()),
        ("identity;q=0.5, gzip;q=0.5", ("gzip",)),
        ("identity;q=0", ()),
        ("gzip;q=0.000", ()),
        (" gzip ; q=0.2 ,\tbr", ("br", "gzip")),
        ("", ()),
        (",,gzip,", ("gzip",)),
        ("deflate", ()),
        ("gzip;q=2", ()),
        ("gzip;q=0.1234", ()),
        ("gzip;level=9", ()),
        ("gz ip", ()),
        ("gzip" + "," * 300, ()),
    ],
)
def test_codings(text: str, codings: tuple[str, ...]) -> None:
    """Best first; without a preference the smallest; a field with mistakes counts as none."""
    assert accepted_codings(text) == codings


def test_long_fields_are_not_kept() -> None:
    """A field of hundreds of kilobytes is ignored and forgotten: clients choose what the table holds."""
    kept = encodings._read_codings.cache_info().currsize
    for number in range(10):
        assert accepted_codings(f"gzip, x{number}" + "y" * 200_000) == ()
    assert encodings._read_codings.cache_info().currsize == kept
