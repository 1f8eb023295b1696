"""Set up logging as a configuration says: dictConfig for TOML, fileConfig for INI, or plain lines on stderr.

The INI text is the one that the loader has read, so a worker that starts later does not read the file again and has the
logging of its configuration.
"""

from __future__ import annotations

import logging

from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.loader import LoadedConfig
from wiverno.files import error_text


def import_for_logging(loaded: LoadedConfig) -> None:
    """Import what `set_up_logging` needs: a caller that acts as another user may not read it any more."""
    if loaded.logging is not None or loaded.logging_ini is not None:
        import configparser  # noqa: F401 - imported for later
        import logging.config  # noqa: F401 - imported for later


def set_up_logging(loaded: LoadedConfig) -> None:
    """Set up logging; without logging in the file, messages from INFO on go to stderr.

    Raises:
        ConfigError: a handler can't be made; logging.config tells that by exceptions of any type.
    """
    if loaded.logging is None and loaded.logging_ini is None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        return
    try:
        _configure(loaded)
    except (Exception, SystemExit) as error:  # classes of handlers are foreign code; Ctrl-C is not theirs
        raise ConfigError([Problem(_describe(error), Origin("file", str(loaded.path)), "logging")]) from error


def _describe(error: BaseException) -> str:
    """Return what logging.config says, and what it hides in the causes: a file, a class, a level."""
    words = str(error) if isinstance(error, ValueError) else _text(error)
    cause = error.__cause__
    while cause is not None:
        if str(cause) not in words:
            words += f": {_text(cause)}"
        cause = cause.__cause__
    return words


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error_text(error)}: {error.filename}"
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def _configure(loaded: LoadedConfig) -> None:
    from logging.config import dictConfig, fileConfig

    if loaded.logging is not None:
        dictConfig(dict(loaded.logging))
    elif loaded.logging_ini is not None:
        import configparser

        parser = configparser.ConfigParser(loaded.logging_ini.variables)
        parser.read_string(loaded.logging_ini.text, loaded.logging_ini.name)
        fileConfig(parser, disable_existing_loggers=False)
