"""The settings of a service in production: its logs. `Adjustments` continues this class with those of the server.

They stand in a file of their own because they steer what is around the engine and not the engine; the rules of
settings.py hold here too.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel

from wiverno.config import kinds, production_kinds
from wiverno.config.declare import setting


class ProductionSettings(BaseModel):
    """What `Adjustments` has for production."""

    access_log: Annotated[
        str | None,
        kinds.optional_text(
            "a path, - (standard output) or logging", examples=("-", "/var/log/wiverno/access.log", "logging")
        ),
    ] = setting(
        None,
        "Where each response is logged: a path, - for standard output, or logging for the logger wiverno.access.",
        "Logging",
    )
    access_log_format: Annotated[str, production_kinds.access_format()] = setting(
        "combined",
        "How a line of the access log looks: common, combined, json, or text with fields such as {status}.",
        "Logging",
    )
    access_log_sample: Annotated[int, kinds.whole(1)] = setting(
        1, "Log one response out of this many; those with a status from 500 on are always logged.", "Logging"
    )
    access_log_skip: Annotated[tuple[str, ...], production_kinds.paths()] = setting(
        (), "Paths that are not logged, /static/* standing for all that begin with /static/.", "Logging"
    )
