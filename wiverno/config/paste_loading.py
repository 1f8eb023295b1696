"""PasteDeploy's own loading of applications, with files read as wiverno reads them.

PasteDeploy opens a file with the locale's encoding and trips over a byte order mark. Inside `utf8_files` it reads what
`wiverno config check` has read, the files that `use = config:…` names included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wiverno.config.text import read_text


@contextmanager
def utf8_files() -> Iterator[None]:
    """Have PasteDeploy read its files as UTF-8 inside the block; applications are loaded in one thread at a time."""
    from paste.deploy import loadwsgi

    original = loadwsgi.ConfigLoader

    class Loader(original):  # type: ignore[misc, valid-type]
        """PasteDeploy's loader of one file, but for the reading."""

        def __init__(self, filename: str) -> None:
            self.filename = name = filename.strip()
            file = os.path.abspath(name).replace("%", "%%")  # a percent sign in a directory's name is just that
            place = {"here": os.path.dirname(file), "__file__": file}
            self.parser: Any = loadwsgi.NicerConfigParser(name, defaults=place)
            self.parser.optionxform = str
            self.parser.read_string(read_text(name), name)

    loadwsgi.ConfigLoader = Loader
    try:
        yield
    finally:
        loadwsgi.ConfigLoader = original
