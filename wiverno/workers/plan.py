"""What is to be served: settings, and how the application is come by."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wiverno.config.settings import SETTINGS, Adjustments
from wiverno.wsgi.gateway import Application

if TYPE_CHECKING:
    from wiverno.workers.rerun import Program


def _nothing() -> None:
    pass


def set_log_level(settings: Adjustments) -> None:
    """Give the server's logger the level of the settings, if they name one."""
    if "log_level" in settings.model_fields_set:
        logging.getLogger("wiverno").setLevel(settings.log_level.upper())


@dataclass(frozen=True, slots=True)
class Plan:
    """One configuration of a service.

    Attributes:
        adjustments: the settings.
        application: makes or imports the application; called in each worker, or once in the supervisor with `preload`.
        prepare: called in each worker before that: sets up logging.
        is_renewable: calling `application` in a new process gives the code as it is on disk then.
        program: run again for each worker, where `application` does not do that.
    """

    adjustments: Adjustments
    application: Callable[[], Application]
    prepare: Callable[[], None] = _nothing
    is_renewable: bool = True
    program: "Program | None" = None


# A reload gives these no effect: they belong to the main process.
FIXED = ("workers", "admin_listen", "admin_public", "admin_metrics_application", "pid_file")


def difference(old: Adjustments, new: Adjustments) -> list[str]:
    """Return a line for each setting that has changed; secrets are not shown."""
    lines = []
    for name, setting in SETTINGS.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after or setting.code_only:
            continue
        shown = (
            "changed"
            if setting.secret
            else f"{setting.kind.text(before) or 'none'} → {setting.kind.text(after) or 'none'}"
        )
        late = " (after a restart)" if name in FIXED and name != "workers" else ""
        lines.append(f"{name}: {shown}{late}")
    return lines
