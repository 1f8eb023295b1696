"""The application's metrics beside the server's: those that it has registered with prometheus_client.

One process uses the default registry. Several use prometheus_client's multiprocess mode: each process writes its files
into PROMETHEUS_MULTIPROC_DIR, and the process that answers adds them up. That mode requires three things of a server
(https://prometheus.github.io/client_python/multiprocess): it sets the variable before the library is imported, it
empties the directory at the start, and it reports each process that has ended.
"""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from wiverno.config.environment import read_environment, set_variable
from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.settings import Adjustments
from wiverno.files import make_absolute
from wiverno.foreign_code import guarded_logger, is_from_signal

logger = guarded_logger("wiverno")

SETTING: Final = "admin_metrics_application"
VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
OWN_PREFIX: Final = "wiverno_"

_prepared: list["ApplicationMetrics"] = []


class ApplicationMetrics:
    """The application's registered metrics; only the thread of the admin listener uses it."""

    def __init__(self, directory: str | None, *, is_own: bool) -> None:
        """Keep the directory of the multiprocess mode, or None; `close` removes it if `is_own`."""
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
                logger.exception("cannot collect the application's metrics")
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
        """Remove the live gauges of a process that has ended; its counters stay."""
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
    """A registry without the families that have the server's prefix: a name may occur only once in a response."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Any]:
        return (family for family in self._registry.collect() if not family.name.startswith(OWN_PREFIX))


def application_metrics(settings: Adjustments, owner: tuple[int, int] | None = None) -> ApplicationMetrics | None:
    """Return the application's metrics if the settings enable them; a second call returns the same object.

    Call it before the application is imported. With workers a later first call is an error, because the library chooses
    its mode when it is imported.

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
    directory = read_environment().variables.get(VARIABLE)
    if not settings.workers:
        return ApplicationMetrics(directory, is_own=False)
    is_own = not directory
    if not directory:
        directory = tempfile.mkdtemp(prefix="wiverno-metrics-")
        if owner is not None:
            os.chown(directory, *owner)
        set_variable(VARIABLE, directory)
    elif directory != make_absolute(directory):  # the application may change the current directory
        directory = make_absolute(directory)
        set_variable(VARIABLE, directory)
    Path(directory).mkdir(parents=True, exist_ok=True)
    for file in Path(directory).glob("*.db"):
        file.unlink()
    from prometheus_client import values

    if not values.ValueClass._multiprocess:
        if is_own:
            shutil.rmtree(directory, ignore_errors=True)
        raise _refusal(
            "the application imported prometheus_client too early: it counts in each worker separately",
            f"set {VARIABLE} to a directory in the environment that the program is started with",
        )
    return ApplicationMetrics(directory, is_own=is_own)


def _refusal(message: str, hint: str) -> ConfigError:
    return ConfigError([Problem(message, Origin("keyword"), SETTING, hint=hint)])
