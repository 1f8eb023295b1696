"""Where keys stand: the corners of both formats; the property tests compare with the real parsers."""

from __future__ import annotations

import textwrap

from wiverno.config.formats.locations import Place, ini_places, toml_places


def lines_of(text: str) -> dict[tuple[str | int, ...], int]:
    return {path: place.line for path, place in toml_places(textwrap.dedent(text).lstrip("\n")).items()}


def test_toml_headers_arrays_of_tables_and_dotted_keys() -> None:
    assert lines_of("""
        a.b = 1   # comment
        [t]
        "quoted key" = 2
        'x'."y.z" = 3
        [[m]]
        k = 1
        [[m.n]]
        k = 1
        [[m]]
        [[m.n]]
        k = 2
        [m.t]
        k = 3
        ["server:admin"]
    """) == {
        ("a", "b"): 1, ("t",): 2, ("t", "quoted key"): 3, ("t", "x", "y.z"): 4, ("m", 0): 5, ("m", 0, "k"): 6,
        ("m", 0, "n", 0): 7, ("m", 0, "n", 0, "k"): 8, ("m", 1): 9, ("m", 1, "n", 0): 10, ("m", 1, "n", 0, "k"): 11,
        ("m", 1, "t"): 12, ("m", 1, "t", "k"): 13, ("server:admin",): 14,
    }  # fmt: skip


def test_toml_values_that_look_like_statements() -> None:
    assert lines_of('''
        a = """
        [no]
        b = 1 \\"""
        """
        c = [ "]", # ] "
          { d = '}', e = [1, 2] },
        ]
        f = \'\'\'
        [no]\'\'\'
        g = 1979-05-27 07:32:00
        h = 1
    ''') == {
        ("a",): 1, ("c",): 5, ("c", 0): 5, ("c", 1, "d"): 6, ("c", 1, "e"): 6, ("c", 1, "e", 0): 6, ("c", 1, "e", 1): 6,
        ("f",): 8, ("g",): 10, ("h",): 11,
    }  # fmt: skip


def test_toml_places_frame_key_and_value() -> None:
    places = toml_places('[server]\r\n  port   = 8000   # x\r\n  s = "a # b"\r\n')
    assert places["server", "port"] == Place(2, 12, 4, 3, 4)
    assert places["server", "s"] == Place(3, 7, 7, 3, 1)


def test_items_of_an_array_have_their_own_lines() -> None:
    places = toml_places('listen = [\n  "a:1", # "b:2"\n  "b:2" ,\n  """c\nd""",\n]\n')
    assert places["listen", 0] == Place(2, 3, 5, 0, 0)
    assert places["listen", 1] == Place(3, 3, 5, 0, 0)
    assert places["listen", 2] == Place(4, 3, 4, 0, 0)


def test_ini_places() -> None:
    text = textwrap.dedent("""
        ; comment
        [DEFAULT]
        a = 1
        [server:main]
        use: egg:wiverno
        listen =
            127.0.0.1:1

          # comment
            [::1]:2
        empty =
        [x]
        Key = v = w
    """).lstrip("\n")
    assert ini_places(text) == {
        ("DEFAULT", ""): Place(2, 1, 9, 1, 9), ("DEFAULT", "a"): Place(3, 5, 1, 1, 1),
        ("server:main", ""): Place(4, 1, 13, 1, 13), ("server:main", "use"): Place(5, 6, 11, 1, 3),
        ("server:main", "listen"): Place(7, 5, 11, 0, 0), ("server:main", "empty"): Place(11, 8, 0, 1, 5),
        ("x", ""): Place(12, 1, 3, 1, 3), ("x", "Key"): Place(13, 7, 5, 1, 3),
    }  # fmt: skip
