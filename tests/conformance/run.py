"""All cases, and how one is run."""

from collections.abc import Sequence

from tests.conformance import cases_connection, cases_frames, cases_generic, cases_messages
from tests.conformance.client import Client, Failed
from tests.conformance.registry import CASES, Case

MODULES = (cases_generic, cases_connection, cases_frames, cases_messages)
"""Importing them registers the cases."""


def chosen(prefixes: Sequence[str]) -> list[Case]:
    """Return the cases whose numbers begin with one of `prefixes`, or all."""
    return [found for found in CASES if not prefixes or found.number.startswith(tuple(prefixes))]


def run_case(found: Case, address: tuple[str, int], *, tls: bool, path: str = "/", timeout: float = 2.0) -> str | None:
    """Run one case on a new connection; return why it failed, or None."""
    try:
        with Client(address, tls=tls, timeout=timeout, path=path) as client:
            found.run(client)
    except Failed as error:
        return str(error)
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return None
