"""Which names may be requested: attacks on paths (security case 43), leftovers, and names with a hash."""

from __future__ import annotations

import pytest

from wiverno.static.names import has_hash, is_leftover, is_plain_name, split_path

GOOD = [
    "a", "a.b", "console.log", "Comet", "nullable.txt", "lpt10", "é", "a b", "a+b", "a,b;c=d", "100%", "%2e%2e",
    "..a", "a..b", "-", "@x", "[slug].js", "$id", "data~1.bin", "COM10.txt",
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in GOOD if not name.startswith(".")])
def test_plain_names(name: str) -> None:
    """What a file may be called on every system."""
    assert is_plain_name(name)


ATTACKS = [
    # out of the directory
    "..", "../x", "css/../x", "css/../../x", "./x", ".", "/etc/passwd", "//etc/passwd", "css//x", "css/./x", "x/..",
    "...", "....//x", "..;/x", ".. /x", "../", "..\\x", "css\\x", "\\\\host\\share", "..%5cx".replace("%5c", "\\"),
    # overlong UTF-8, halves of surrogate pairs, bytes that are no UTF-8: as latin-1, as PEP 3333 carries them
    "\xc0\xae\xc0\xae/x", "\xe0\x80\xae\xe0\x80\xae/x", "\xc0\xafetc", "\xed\xa0\x80", "\xff", "x\xfe.css",
    # ends of C strings, controls
    "x\x00", "x\x00.css", "\x00", "\x1b[31m", "x\r\ny", "x\ty", "x\x7f",
    # Windows: drives, streams, devices, short and trimmed names
    "C:", "C:/x", "C:\\x", "x:stream", "x::$DATA", "NUL", "nul.txt", "css/CON", "COM1",
    "com¹.txt".encode().decode("latin-1"),
    "aux .txt", "LPT9.", "CONIN$", "x.", "x ", "css./x", "css /x", "a*b", "a?b", "<x>", "a|b", 'a"b',
    # hidden
    ".env", ".git/config", "css/.git/config", ".htaccess", ".DS_Store", ".well-known", ".well-known/.secret", ".x.swp",
    # leftovers
    "x~", "x.php~", "#x#", "x.bak", "x.BAK", "x.orig", "x.rej", "x.swp", "x.swo", "x.save", "x.tmp", "x.bak.gz",
    "x~.br", ".#x", "css/x.bak",
]  # fmt: skip


@pytest.mark.parametrize("path", ATTACKS)
def test_what_is_refused(path: str) -> None:
    """No name that leads out, hides, means a device somewhere, or was left by an editor."""
    assert split_path(path) is None


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("x", ["x"]), ("css/x.css", ["css", "x.css"]), ("", [""]), ("css/", ["css", ""]),
        ("\xc3\xa9/\xe6\x97\xa5.css", ["é", "日.css"]), (".well-known/x", [".well-known", "x"]),
        ("%2e%2e/x", ["%2e%2e", "x"]),
        ("x.bak/y", ["x.bak", "y"]),
    ],
)  # fmt: skip
def test_what_is_taken(path: str, names: list[str]) -> None:
    """A path was decoded once: a second time it is not."""
    assert split_path(path) == names


def test_leftovers() -> None:
    """An ending in the middle of a name is no leftover's."""
    assert not any(map(is_leftover, ["bak", "x.bak.css", "orig.png", "tmp", "~x", "#x", "swp.txt"]))


@pytest.mark.parametrize(
    "path",
    [
        "css/base.9e1ea19b16d1.css", "admin/js/jquery.min.f1a2b3c4d5e6.js", "main.4a3f9c2b.chunk.js",
        "logo.9e1ea19b16d1.svg", "app.0123456789abcdef0123456789abcdef.js.map",
        "assets/index-DiwrgTda.js", "assets/index-BRBmoGS9.css", "assets/shared-B7PI925R.js", "assets/x-ChJ_j-JJ.css",
        "index-BKj2Zp3x.js", "x/vendor-4sK3E3Wk.mjs", "chunk-3Q2ZQXJM.js", "assets/logo.B2H3sXNv.svg",
    ],
)  # fmt: skip
def test_names_with_a_hash(path: str) -> None:
    """Django's manifest, webpack, Parcel, esbuild, Vite."""
    assert has_hash(path.split("/"))


@pytest.mark.parametrize(
    "path",
    [
        "base.css", "jquery.min.js", "report.20240131.csv", "x.deadbeef.css", "x.1234567.css", "9e1ea19b16d1.css",
        "my-document.pdf", "Report-Document.pdf", "file-version2.js", "photo-iPhone15.jpg", "IMG-DSC01234.JPG",
        "img-DSC_0123.jpg", "assets/img-DSC01234.jpg", "README-FILENAME.md", "user-fileName.js", "user-HomePage.js",
        "x-2024-01-31.txt", "assets/index-main.js", "x.9E1EA19B16D1.css", "index-BKj2Zp3x", "2024-0131.css",
    ],
)  # fmt: skip
def test_names_without_a_hash(path: str) -> None:
    """A file that is wrongly taken for immutable would be kept for a year."""
    assert not has_hash(path.split("/"))
