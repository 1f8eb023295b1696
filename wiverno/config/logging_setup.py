"""Set up logging as a configuration says: dictConfig for TOML, fileConfig for INI, or plain lines on stderr.

The INI text is the one that the loader has read, so a worker that starts later does not read the file again and has the
logging of its configuration.
"""

from __future__ import annotations

import logging

from wiverno.config.loader import LoadedConfig


def import_for_logging(loaded: LoadedConfig) -> None:
    """Import what `set_up_logging` needs: a caller that acts as another user may not read it any more."""
    if loaded.logging is not None or loaded.logging_ini is not None:
        import configparser  # noqa: F401 - imported for later
        import logging.config  # noqa: F401 - imported for later


def set_up_logging(loaded: LoadedConfig) -> None:
    """Set up logging; without logging in the file, messages from INFO on go to stderr."""
    if loaded.logging is None and loaded.logging_ini is None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        return
    from logging.config import dictConfig, fileConfig

    if loaded.logging is not None:
        dictConfig(dict(loaded.logging))
    elif loaded.logging_ini is not None:
        import configparser

        parser = configparser.ConfigParser(loaded.logging_ini.variables)
        parser.read_string(loaded.logging_ini.text, loaded.logging_ini.name)
        fileConfig(parser, disable_existing_loggers=False)
