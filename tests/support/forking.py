"""Run a function in a forked child of the test, with its output, its exit status and its share of the coverage."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from typing import Any, NoReturn


def _save_coverage() -> None:
    """Write what coverage has measured in this child; pytest-cov combines it with the rest."""
    coverage: Any = sys.modules.get("coverage")
    current = coverage.Coverage.current() if coverage is not None else None
    if current is not None:
        current.stop()
        current.save()


def fork() -> int:
    """Fork beside the threads that pytest-xdist and the tests have: each of these children ends without touching them.

    Where warnings are errors, Python 3.15 refuses such a fork.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"This process \(pid=\d+\) is multi-threaded")
        return os.fork()


def run_in_child(function: Callable[[], object]) -> tuple[int, str]:
    """Return the exit status of a child that runs the function (negative for a signal), and what it wrote.

    The child ends with status 0 if the function returns, 99 if it raises; os._exit and a signal end it as everywhere.
    """
    with tempfile.TemporaryFile() as output:
        pid = fork()
        if not pid:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            sys.stdout = os.fdopen(1, "w", closefd=False)
            sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)  # by lines, as in every process
            leave = os._exit

            def save_and_leave(status: int) -> NoReturn:
                try:
                    _save_coverage()
                finally:
                    leave(status)

            execute = os.execve

            def save_and_execute(path: str, arguments: Any, variables: Any) -> NoReturn:
                _save_coverage()
                execute(path, arguments, variables)

            os._exit = save_and_leave
            os.execve = save_and_execute  # type: ignore[assignment]
            try:
                function()
            except BaseException as error:
                os.write(2, repr(error).encode())
                save_and_leave(99)
            sys.stdout.flush()
            save_and_leave(0)
        _, status = os.waitpid(pid, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode()
