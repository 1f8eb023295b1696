"""A reload: reads the configuration, has the generation that starts, and ends in success or leaves all as it was.

read → (new workers start) → complete      the new generation becomes the current one
│                       ├→ fail         a new worker could not start
└→ fail                 └→ abort        another reload or a stop was requested
"""

import os
import traceback
from collections.abc import Callable
from typing import Final

from wiverno.config.settings import ConfigError
from wiverno.files import error_text
from wiverno.foreign_code import guarded_logger
from wiverno.workers.generation import Generation
from wiverno.workers.plan import LoadFailedError, Plan, difference, why_kept
from wiverno.workers.sd_notify import Notifier
from wiverno.workers.shared_sockets import SharedSockets
from wiverno.workers.states import RELOAD_MOVES, ReloadState, check_move
from wiverno.wsgi.forked import leave_if_copy

logger = guarded_logger("wiverno")

_COUNTED: Final = (ReloadState.SUCCEEDED, ReloadState.FAILED)


class Reload:
    """The reload in progress, or the last one; belongs to the supervisor's main thread.

    Attributes:
        state: changed by `_move` only.
        generation: whose workers start; None if no reload is in progress.
        last_failure: why the last reload failed, "" if it did not.
    """

    def __init__(
        self, configure: Callable[[], Plan] | None, sockets: SharedSockets, notifier: Notifier
    ) -> None:  # fmt: skip
        """`configure` reads the configuration again; without it the same plan is served again."""
        self.state = ReloadState.NONE
        self.generation: Generation | None = None
        self.last_failure = ""
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._numbers = 1
        self._configure = configure
        self._sockets = sockets
        self._notifier = notifier

    def __repr__(self) -> str:
        number = f", generation {self.generation.number}" if self.generation is not None else ""
        return f"<reload {self.state.value}{number}>"

    def _move(self, state: ReloadState) -> None:
        self.state = check_move(RELOAD_MOVES, self.state, state, self)
        if state in self._counts:
            self._counts[state] += 1

    @property
    def counts(self) -> tuple[int, int]:
        """How many reloads succeeded, and how many failed."""
        return self._counts[ReloadState.SUCCEEDED], self._counts[ReloadState.FAILED]

    def read(self, current: Generation) -> None:
        """Read and check the configuration and bind its sockets; `generation` is what follows from it."""
        self._notifier.reloading()
        self._move(ReloadState.READING)
        pid = os.getpid()
        try:
            plan = self._configure() if self._configure is not None else current.plan
            listeners = self._sockets.open(plan.adjustments)
            self._numbers += 1
            generation = Generation(self._numbers, plan, listeners)
            leave_if_copy(pid)
        except BaseException as error:  # noqa: BLE001 - reading the configuration runs foreign code, which may exit
            leave_if_copy(pid, error)
            self.fail(explain_failure(error), current)
            return
        changes = difference(current.plan.adjustments, plan.adjustments)
        logger.info("reloading: %s", "; ".join(changes) or "no setting has changed")
        if generation.application is not None:
            logger.warning("reloading: the application's code is not loaded again: %s", why_kept(plan))
        self.generation = generation
        self._move(ReloadState.STARTING)

    def complete(self) -> Generation:
        """Close the sockets that are no longer used, and return the generation, which is the current one now."""
        generation, self.generation = self.generation, None
        assert generation is not None
        self._move(ReloadState.SUCCEEDED)
        self.last_failure = ""
        self._sockets.keep_only(generation.listeners)
        self._sockets.adjust(generation.plan.adjustments)
        return generation

    def abort(self, reason: str, current: Generation) -> None:
        """Forget the new generation, because something else was requested."""
        self.generation = None
        self._move(ReloadState.ABORTED)
        self._sockets.keep_only(current.listeners)
        logger.warning("reload aborted: %s", reason)

    def fail(self, reason: str, current: Generation) -> None:
        """Forget the new generation, because it does not work."""
        self.generation = None
        self._move(ReloadState.FAILED)
        self.last_failure = reason
        self._sockets.keep_only(current.listeners)
        logger.error("reload failed, still running the previous configuration:\n%s", reason)
        self._notifier.ready("the last reload failed, still running the previous configuration")


def explain_failure(error: BaseException) -> str:
    """Return why a configuration can't be used, with a traceback if the mistake is not in the configuration itself."""
    if isinstance(error, ConfigError):
        return error.reasons
    if isinstance(error, OSError | LoadFailedError):
        return error_text(error)
    return "".join(traceback.format_exception(error))
