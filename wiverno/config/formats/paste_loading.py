"""PasteDeploy's loading of applications, with files read as wiverno reads them.

PasteDeploy opens a file with the locale's encoding and fails on a byte order mark. Inside `utf8_files` it reads files
as `wiverno config check` does, those of `use = config:…` included. Files that the loader has read are not read again: a
worker that starts while a file is missing gets the application of its configuration.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from wiverno.config.formats.text import read_text


@contextmanager
def utf8_files(texts: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
    """Have PasteDeploy read its files as UTF-8 inside the block; applications are loaded in one thread at a time.

    Args:
        texts: files that were read already, by name.
    """
    from paste.deploy import loadwsgi

    original = loadwsgi.ConfigLoader
    if hasattr(original, "known"):
        yield  # inside an outer block
        return

    class Loader(original):  # type: ignore[misc, valid-type]
        """PasteDeploy's loader of one file, which reads UTF-8."""

        known = {os.path.abspath(name): text for name, text in texts.items()}

        def __init__(self, filename: str) -> None:
            self.filename = name = filename.strip()
            file = os.path.abspath(name)
            # A percent sign in a directory's name is escaped.
            here, itself = os.path.dirname(file).replace("%", "%%"), file.replace("%", "%%")
            place = {"here": here, "__file__": itself}
            self.parser: Any = loadwsgi.NicerConfigParser(name, defaults=place)
            self.parser.optionxform = str
            self.parser.read_string(self.known[file] if file in self.known else read_text(name), name)

    loadwsgi.ConfigLoader = Loader
    try:
        yield
    finally:
        loadwsgi.ConfigLoader = original
