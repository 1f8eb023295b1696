"""A configuration that workers serve, with what the supervisor has prepared for them."""

from typing import Final

from wiverno.core.context import new_certificates
from wiverno.core.net.listener_kinds import Listener
from wiverno.core.ownership import future_owner
from wiverno.workers.plan import Plan
from wiverno.workers.reconcile import WantedWorkers
from wiverno.wsgi_types import Application

MAX_WORKERS: Final = 512  # the same as the setting's upper limit
EXTRA_TIME: Final = 3.0  # seconds that a worker gets beyond graceful_timeout


class Generation:
    """A plan that workers serve.

    Attributes:
        number: 1 for the configuration of the start.
        wanted: how many workers there should be.
        application: the loaded application, or None if each worker loads it.
        certificates: read by the supervisor, which may be the only process allowed to read them. Workers with
            certificates from one process accept one another's session tickets: a client resumes its TLS session in
            any of them.
    """

    __slots__ = ("_owner", "_served_context", "application", "certificates", "listeners", "number", "plan", "wanted")

    def __init__(self, number: int, plan: Plan, listeners: list[Listener]) -> None:
        """Load the application here with `preload`, and where it can't be loaded again.

        Raises:
            OSError: the certificates can't be read or used, or there is no such user or group.
            ConfigError: the configuration names no application.
            LoadFailedError: the application raised an exception while it was loaded.
        """
        self._owner = future_owner(plan.adjustments)
        self.certificates = new_certificates(plan.adjustments)
        self._served_context = self.certificates.context if self.certificates is not None else None
        self.number = number
        self.plan = plan
        self.listeners = listeners
        self.wanted = max(plan.adjustments.workers, 1)
        is_loaded_here = plan.adjustments.preload or (not plan.reloads_code and plan.program is None)
        self.application: Application | None = plan.load() if is_loaded_here else None

    def has_new_certificates(self) -> bool:
        """Begin to look whether certificates were renewed that workers may not read; tell if that was found since."""
        if self.certificates is None or self._owner is None:
            return False
        before, self._served_context = self._served_context, self.certificates.context
        self.certificates.renew(only_if_changed=True)
        return before is not self._served_context

    def scale(self, by: int) -> None:
        """Want so many workers more, or fewer if it is negative."""
        self.wanted = min(max(self.wanted + by, 1), MAX_WORKERS)

    def wanted_workers(self) -> WantedWorkers:
        """Return what `reconcile` has to know."""
        settings = self.plan.adjustments
        grace = settings.graceful_timeout + EXTRA_TIME if settings.graceful_timeout else 0.0
        return WantedWorkers(self.number, self.wanted, grace, settings.max_rss)
