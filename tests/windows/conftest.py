"""The tests of this directory run in `make test-windows` and `make test-long`, which make the environment before."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.support.processes import environment
from tests.support.programs import leave_out
from tests.windows.environment import DEBIAN, PLACE, command, is_made, variables


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They take minutes."""
    for item in items:
        if "windows" in item.path.parts:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session", autouse=True)
def _windows() -> Iterator[None]:
    """Have an environment; without one these tests are left out, and fail where CI is set.

    Wine's own services begin with the first program and keep its pipes open. So a program that no test reads is first.
    """
    if is_made():
        with subprocess.Popen(
            command("-c", "print('ready', flush=True); input()"), env=environment(variables()),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as first:  # fmt: skip
            assert first.stdout is not None
            first.stdout.readline()
            yield
            first.kill()
        return
    leave_out(f"there is no Windows environment in {PLACE}: {DEBIAN}, then make test-windows")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the runs of pytest inside Windows have counted."""
    reports = [item for kind in ("passed", "failed") for item in terminalreporter.getreports(kind)]
    found = [text for report in reports for name, text in report.user_properties if name == "inside"]
    if found:
        terminalreporter.section("inside Windows")
        for text in sorted(map(str, found)):
            terminalreporter.write_line(text)
