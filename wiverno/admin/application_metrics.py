"""The application's own metrics beside the server's: what it has registered with prometheus_client.

One process: its default registry. Several: prometheus_client's multiprocess mode, in which each process writes to files
of its own in PROMETHEUS_MULTIPROC_DIR and whoever answers adds them up. That mode wants three things of a server
(https://prometheus.github.io/client_python/multiprocess): the variable before anybody imports the library, the
directory empty at the start, and word of each process that has ended.
"""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from wiverno.config.environment import environment, set_variable
from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.settings import Adjustments
from wiverno.files import absolute
from wiverno.foreign_code import guarded_logger, is_from_signal

logger = guarded_logger("wiverno")

SETTING: Final = "admin_metrics_application"
VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
OWN_PREFIX: Final = "wiverno_"

_prepared: list["ApplicationMetrics"] = []


class ApplicationMetrics:
    """What the application has registered; belongs to the thread of the admin listener."""

    def __init__(self, directory: str | None, *, is_own: bool) -> None:
        """Take the directory of the multiprocess mode, None without; our own is removed at the end."""
        self._directory = directory
        self._is_own = is_own
        self._is_failing = False

    def text(self) -> str:
        """Return the metrics in Prometheus's text format; "" and a line in the log if a collector fails."""
        from prometheus_client import generate_latest

        try:
            found = generate_latest(_Others(self._registry())).decode()
        except BaseException as error:
            if is_from_signal(error):
                raise
            # A collector is the application's code, and files may be half written when a process is killed.
            if not self._is_failing:
                logger.exception("the application's metrics can't be collected")
            self._is_failing = True
            return ""
        self._is_failing = False
        return found

    def _registry(self) -> Any:
        from prometheus_client import REGISTRY, CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        if self._directory is None:
            return REGISTRY
        registry = CollectorRegistry()
        MultiProcessCollector(registry, self._directory)  # type: ignore[no-untyped-call]
        return registry

    def forget(self, pid: int) -> None:
        """Take note that a process has ended: its gauges of what lives go, what it has counted stays."""
        from prometheus_client.multiprocess import mark_process_dead

        if self._directory is not None:
            with suppress(OSError):
                mark_process_dead(pid, self._directory)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Remove the directory if it is ours."""
        _prepared.clear()
        if self._is_own and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


class _Others:
    """A registry without what has the server's own names, which may stand only once in an answer."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Any]:
        return (family for family in self._registry.collect() if not family.name.startswith(OWN_PREFIX))


def application_metrics(settings: Adjustments, owner: tuple[int, int] | None = None) -> ApplicationMetrics | None:
    """Return the application's metrics if the settings want them; what was prepared earlier is used.

    To be called before the application is imported. A first call that comes later is an error where there are workers,
    since the library decides when it is imported how it counts.

    Args:
        settings: the server's.
        owner: user and group of the processes that will write.

    Raises:
        ConfigError: prometheus_client is missing, or was imported too early.
        OSError: the directory can't be used.
    """
    if not settings.admin_metrics_application:
        return None
    if not _prepared:
        if importlib.util.find_spec("prometheus_client") is None:
            raise _refusal("prometheus_client is not installed", "pip install 'wiverno[metrics]>=2'")
        _prepared.append(_prepare(settings, owner))
    return _prepared[0]


def _prepare(settings: Adjustments, owner: tuple[int, int] | None) -> ApplicationMetrics:
    directory = environment().variables.get(VARIABLE)
    if not settings.workers:
        return ApplicationMetrics(directory, is_own=False)
    is_own = not directory
    if not directory:
        directory = tempfile.mkdtemp(prefix="wiverno-metrics-")
        if owner is not None:
            os.chown(directory, *owner)
        set_variable(VARIABLE, directory)
    elif directory != absolute(directory):  # the application may change the current directory
        directory = absolute(directory)
        set_variable(VARIABLE, directory)
    Path(directory).mkdir(parents=True, exist_ok=True)
    for file in Path(directory).glob("*.db"):
        file.unlink()
    from prometheus_client import values

    if not values.ValueClass._multiprocess:
        if is_own:
            shutil.rmtree(directory, ignore_errors=True)
        raise _refusal(
            "the application has imported prometheus_client already, which counts for each worker alone since then",
            f"set {VARIABLE} to a directory in the environment that the program is started with",
        )
    return ApplicationMetrics(directory, is_own=is_own)


def _refusal(message: str, hint: str) -> ConfigError:
    return ConfigError([Problem(message, Origin("keyword"), SETTING, hint=hint)])
