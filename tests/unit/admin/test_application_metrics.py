"""The application's own metrics: its registry, or the files of its workers added up."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily

from wiverno.admin import application_metrics as module
from wiverno.admin.application_metrics import VARIABLE, ApplicationMetrics, application_metrics
from wiverno.config.errors import ConfigError
from wiverno.config.settings import Adjustments


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> CollectorRegistry:
    """The registry that counts as the library's default one."""
    found = CollectorRegistry()
    monkeypatch.setattr(prometheus_client, "REGISTRY", found)
    return found


@pytest.fixture(autouse=True)
def _nothing_is_prepared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "_prepared", [])
    monkeypatch.delenv(VARIABLE, raising=False)
    yield
    os.environ.pop(VARIABLE, None)


def settings(workers: int = 0, *, is_wanted: bool = True) -> Adjustments:
    return Adjustments.from_keywords(workers=workers, admin_listen="127.0.0.1:0", admin_metrics_application=is_wanted)


class Collector:
    """Gives the families of these names, or raises."""

    def __init__(self, *names: str, error: BaseException | None = None) -> None:
        self.names = names
        self.error = error

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> Iterator[Any]:
        if self.error is not None:
            raise self.error
        for name in self.names:
            yield GaugeMetricFamily(name, "help", value=1.0)


def test_only_on_request() -> None:
    assert application_metrics(settings(is_wanted=False)) is None


def test_one_process_has_its_registry_without_the_servers_names(registry: CollectorRegistry) -> None:
    """A family that begins with wiverno_ would stand twice in the answer."""
    Counter("orders", "Orders.", registry=registry).inc(3)
    registry.register(Collector("wiverno_ready", "shop_open"))
    found = application_metrics(settings())
    assert found is not None
    assert application_metrics(settings()) is found
    text = found.text()
    assert "orders_total 3.0" in text
    assert "shop_open 1.0" in text
    assert "wiverno_ready" not in text
    found.forget(1)
    found.close()
    assert application_metrics(settings()) is not found


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3)])
def test_a_collector_that_raises_is_logged_once(
    registry: CollectorRegistry, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer goes without the application's metrics until they can be collected again."""
    collector = Collector("shop_open", error=error)
    registry.register(collector)
    found = ApplicationMetrics(None, is_own=False)
    assert (found.text(), found.text()) == ("", "")
    assert [record.getMessage() for record in caplog.records] == ["cannot collect the application's metrics"]
    collector.error = None
    assert "shop_open" in found.text()
    collector.error = error
    assert found.text() == ""
    assert len(caplog.records) == 2


def test_workers_write_into_a_directory_which_is_removed_at_the_end(tmp_path: Path) -> None:
    directory = tmp_path / "metrics"
    directory.mkdir()
    (directory / "gauge_livesum_1.db").write_bytes(b"")
    found = ApplicationMetrics(str(directory), is_own=True)
    found.forget(1)
    assert not list(directory.iterdir())
    found.forget(2)
    found.close()
    assert not directory.exists()


def test_a_given_directory_stays(tmp_path: Path) -> None:
    ApplicationMetrics(str(tmp_path), is_own=False).close()
    assert tmp_path.exists()


@pytest.mark.parametrize("is_given", [False, True])
def test_workers_cannot_share_what_was_imported_too_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_given: bool
) -> None:
    """The library decides at its import how it counts; files of an earlier run are removed before that is checked."""
    old = tmp_path / "counter_1.db"
    old.touch()
    if is_given:
        monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ConfigError, match="imported prometheus_client too early"):
        application_metrics(settings(workers=2))
    assert old.exists() != is_given
    assert not list(tmp_path.glob("wiverno-metrics-*"))


def test_a_missing_library_is_a_mistake_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        application_metrics(settings())
    assert "prometheus_client is not installed" in str(caught.value)
    assert caught.value.problems[0].hint == "pip install 'wiverno[metrics]>=2'"
