"""Set up logging as a configuration says: dictConfig for TOML, fileConfig for INI, or plain lines on stderr.

The INI text is the one that the loader has read, so a worker that starts later does not read the file again and has the
logging of its configuration.
"""

from __future__ import annotations

import configparser
import logging
import logging.config

from wiverno.config.loader import LoadedConfig


def set_up_logging(loaded: LoadedConfig) -> None:
    """Set up logging; without logging in the file, messages from INFO on go to stderr."""
    if loaded.logging is not None:
        logging.config.dictConfig(dict(loaded.logging))
    elif loaded.logging_ini is not None:
        parser = configparser.ConfigParser(loaded.logging_ini.variables)
        parser.read_string(loaded.logging_ini.text, loaded.logging_ini.name)
        logging.config.fileConfig(parser, disable_existing_loggers=False)
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
