"""The debug log that follows one connection from accept to close (`log_level = "debug"`).

Each line begins with the connection's descriptor, so that the lines of one connection can be searched for. Acceptors
ask once, when the server starts, whether the log is on: while it is off, it costs nothing.
"""

import logging
from typing import Final

from wiverno.foreign_code import guarded_logger

NAME: Final = "wiverno.connection"

logger: Final = guarded_logger(NAME)


def is_followed() -> bool:
    """Tell whether connections must be logged, by the level of the logger."""
    return logging.getLogger(NAME).isEnabledFor(logging.DEBUG)


def log_event(fd: int, event: str, *args: object) -> None:
    """Log what happens to a connection; `event` is formatted with `args`."""
    logger.debug("connection %d: %s", fd, event % args)
