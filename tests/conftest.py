"""What every test gets: a process in which nothing is left of the tests before it.

The tests run in several processes side by side (pytest-xdist), for most of them wait more than they compute.
"""

import compileall
import gc
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import tests.support
import wiverno
from tests.support.examples import FEWEST
from tests.support.leftovers import engine_threads
from tests.support.sockets import RawClient
from tests.support.turns import Turns
from tests.support.waiting import wait_until
from wiverno.config import loader
from wiverno.core.http1 import states

PROCESSES = 4
"""Side by side when the whole suite runs, on two processors and more."""

QUICK_PROCESSES = 3
"""Side by side where tests compute more than they wait: each further process collects everything once more."""

hypothesis.settings.register_profile("always the same", derandomize=True, deadline=None, max_examples=FEWEST)
hypothesis.settings.register_profile("new ones", deadline=None, print_blob=True, max_examples=100)

_turns = pytest.StashKey[Turns]()
_folder = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A selection is faster in one process: each process first collects everything."""
    asked = any(config.getoption(name, None) for name in ("keyword", "lf", "collectonly"))
    if asked or any(".py" in text for text in config.args):
        return 0
    folders = {Path(os.path.relpath(text, config.rootpath)).parts[:2] for text in config.args}
    return QUICK_PROCESSES if folders <= {("tests", "unit"), ("tests", "property")} else PROCESSES


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Never look for garbage among what is collected: seven thousand tests are a million objects, and they stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """Have hypothesis look for new examples only in runs of minutes; processes that share a run take turns."""
    states.is_checked = True
    sys.dont_write_bytecode = False  # to rewrite the assertions of all tests takes seconds, once is enough
    # Begun in a shell's background, or with nohup: children would inherit what is ignored.
    for name, handler in (("INT", signal.default_int_handler), ("HUP", signal.SIG_DFL), ("QUIT", signal.SIG_DFL)):
        number = getattr(signal, f"SIG{name}", None)  # Windows has only the first
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    hypothesis.settings.load_profile("always the same" if config.option.markexpr == "not long" else "new ones")
    if hasattr(config, "workerinput"):
        config.stash[_turns] = Turns(Path(config.workerinput["turns"]))
        return
    _compile_once()
    if getattr(config.option, "numprocesses", None):
        config.stash[_folder] = tempfile.TemporaryDirectory(prefix="wiverno-test-turns-")


def _compile_once() -> None:
    """Write bytecode, even under PYTHONDONTWRITEBYTECODE: hundreds of children would compile the package again."""
    for package in (wiverno, tests.support):
        compileall.compile_dir(Path(str(package.__file__)).parent, quiet=2)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of the run where the others are."""
    node.workerinput["turns"] = node.config.stash[_folder].name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what pytest_configure made."""
    if (turns := config.stash.get(_turns, None)) is not None:
        turns.close()
    if (folder := config.stash.get(_folder, None)) is not None:
        folder.cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave those that run alone to the end, where the others wait least for them."""
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test, its fixtures included, when it is its turn."""
    turns = item.config.stash.get(_turns, None)
    if turns is None:
        return (yield)
    with turns.turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(autouse=True)
def _as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test is steered by variables of the caller, or by what an earlier test was started with or has logged at."""
    for name in list(os.environ):
        if name.startswith("WIVERNO_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(loader, "_started", [])
    logger = logging.getLogger("wiverno")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def _no_client_is_left() -> Iterator[None]:
    """Clients of a test that failed hang up: collected as garbage, they would be held against some later test."""
    before = RawClient.unused()
    yield
    for client in RawClient.unused() - before:
        client.close()


@pytest.fixture(scope="module", autouse=True)
def _no_engine_is_left() -> Iterator[None]:
    """A module ends the engines that it began: what they still did would be counted as some later test's."""
    before = engine_threads()
    yield
    wait_until(lambda: engine_threads() <= before, what="the threads of this module's engines to end")
