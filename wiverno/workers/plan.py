"""What a service serves: its settings, and how to load the application."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from wiverno.application_process import prepare_process
from wiverno.config.settings import SETTINGS, Adjustments, ConfigError
from wiverno.files import current_directory
from wiverno.importer import ImportTargetError, own_traceback
from wiverno.workers.load_stop import LoadStopped
from wiverno.wsgi.forked import leave_if_copy
from wiverno.wsgi_types import Application


class RestartableProgram(Protocol):
    """A program that a worker can run again: `reexec.Program`."""

    def exec_worker(self, inheritance: Any, memory: int, row: slice) -> NoReturn:
        """Run the program in this process, which was just forked; `inheritance` is what the worker inherits."""


class LoadFailedError(Exception):
    """The application raised while it was loaded; the text names it and has its traceback."""


class StartFailedError(Exception):
    """No worker could start; the text says why."""


def _do_nothing() -> None:
    pass


def set_log_level(settings: Adjustments) -> None:
    """Give the server's logger the level of the settings, if they name one."""
    if "log_level" in settings.model_fields_set:
        logging.getLogger("wiverno").setLevel(settings.log_level.upper())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plan:
    """One configuration of a service.

    Attributes:
        adjustments: the settings.
        application: makes or imports the application; `load` calls it.
        prepare: called in each worker before that: sets up logging.
        reloads_code: a new process that calls `application` loads the code that is on disk then.
        program: the program that each worker runs again, if `application` does not load new code.
        name: the application's, as the user wrote it; "" if it is not known.
        source: the configuration's file, or words for where the settings are from; "" in a program that calls `serve`.
    """

    adjustments: Adjustments
    application: Callable[[], Application]
    prepare: Callable[[], None] = _do_nothing
    reloads_code: bool = True
    program: RestartableProgram | None = None
    name: str = ""
    source: str = ""

    def load(self) -> Application:
        """Prepare this process and return the application; called in each worker, or in the supervisor with `preload`.

        Raises:
            SetupError: the directory of `chdir` cannot be entered.
            ConfigError: the configuration names no application.
            ImportTargetError: the same.
            LoadFailedError: the application raised an exception, SystemExit included.
        """
        prepare_process(self.adjustments)
        pid = os.getpid()
        try:
            application = self.application()
            leave_if_copy(pid)
            return application
        except (ConfigError, ImportTargetError, KeyboardInterrupt, LoadStopped):
            raise
        except BaseException as error:
            leave_if_copy(pid, error)
            raise load_failure(f"the application {self.name}".rstrip(), error) from error


def load_failure(what: str, error: BaseException) -> LoadFailedError:
    """Return what tells that the application or a hook failed to load, and why.

    Without a current directory imports fail that have nothing to do with it: whichever is the first is not at fault.
    """
    if isinstance(error, FileNotFoundError) and current_directory() is None:
        return LoadFailedError("the current directory was removed; change to another one")
    return LoadFailedError(f"{what} failed to load:\n{own_traceback(error)}")


# A reload does not change these: they belong to the main process.
FIXED = ("workers", "admin_listen", "admin_public", "admin_metrics_application", "pid_file")


def difference(old: Adjustments, new: Adjustments) -> list[str]:
    """Return a line for each setting that has changed, without the values of secrets."""
    lines = []
    for name, setting in SETTINGS.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after or setting.code_only:
            continue
        shown = (
            "changed"
            if setting.secret
            else f"{setting.type.text(before) or 'none'} → {setting.type.text(after) or 'none'}"
        )
        late = " (after a restart)" if name in FIXED and name != "workers" else ""
        lines.append(f"{name}: {shown}{late}")
    return lines


def why_kept(plan: Plan) -> str:
    """Return why new workers serve the application that the supervisor has loaded."""
    if plan.adjustments.preload:
        return "it was loaded before the workers (preload); a restart takes what is new"
    return "it was given to the server ready-made, so only a restart takes new code and settings"
