"""Logging set up as a configuration says it: dictConfig for TOML, fileConfig for INI, or plain lines on stderr.

The INI text is the one that was read when the configuration was loaded. So a worker that starts later needs no file
and gets no other logging than its configuration has.
"""

from __future__ import annotations

import configparser
import logging
import logging.config

from wiverno.config.loader import LoadedConfig


def set_up_logging(loaded: LoadedConfig) -> None:
    """Set logging up; without a word about it in the file, everything from INFO goes to stderr."""
    if loaded.logging is not None:
        logging.config.dictConfig(dict(loaded.logging))
    elif loaded.logging_ini is not None:
        parser = configparser.ConfigParser(loaded.logging_ini.variables)
        parser.read_string(loaded.logging_ini.text, loaded.logging_ini.name)
        logging.config.fileConfig(parser, disable_existing_loggers=False)
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
