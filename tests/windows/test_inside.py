"""Tests of this suite that run inside Windows: the same files as on Linux, with pytest in Windows' Python.

`LEFT_OUT` names what cannot run there, with the reason. A test that is new in these directories runs there, too.
"""

import re
import subprocess
from collections.abc import Callable

import pytest

from tests.support.processes import ROOT, environment
from tests.windows.environment import command, variables

GROUPS = {
    "the parser of HTTP/1.1": ["tests/unit/http"],
    "HTTP/2 as bytes": ["tests/unit/http2"],
    "the event loop": ["tests/unit/core/loop"],
    "WSGI": ["tests/unit/wsgi", "tests/integration/wsgi"],
    "connections": ["tests/unit/core/http1"],
    "threads": ["tests/unit/core/threads"],
    "every selector": ["tests/integration/core/test_pollers.py"],
    "HTTP over sockets": ["tests/integration/http"],
    "sockets": [
        f"tests/unit/core/net/test_{name}.py" for name in ("transport", "tls", "lingering_close", "proxy_protocol")
    ],
}

NO_FORK = "forks"
NO_SIGNALS = "sends signals to its own process"
NO_DESCRIPTORS = "takes a socket's number for a descriptor"
NO_PROC = "reads /proc"
NO_SIGTERM = "ends a child by SIGTERM, or reads its /proc"
AT_ONCE = "a byte must arrive at once, and a socket pair is TCP there"
NO_RESET = "Wine tells a client of a reset as of an end; test_served.py has the client on Linux"

LEFT_OUT = {
    "tests/unit/wsgi/test_forked.py": NO_FORK,
    "tests/unit/core/loop/test_signals.py": NO_SIGNALS,
    "tests/unit/core/threads/test_blocking.py": NO_PROC,
    "tests/unit/core/threads/test_recovery.py::test_an_exception_of_a_signal_handler_gets_through": NO_SIGNALS,
    "tests/unit/core/loop/test_handlers.py": NO_DESCRIPTORS,
    "tests/unit/core/loop/test_descriptors.py": NO_DESCRIPTORS,
    "tests/unit/core/net/test_tls.py::test_after_the_end_it_leaves_the_descriptor_s_next_owner_alone": NO_DESCRIPTORS,
    "tests/unit/core/loop/test_poller.py::test_a_number_that_is_given_out_again_is_a_new_socket": NO_DESCRIPTORS,
    "tests/unit/core/loop/test_poller.py::test_signals_are_told_from_wakes": NO_DESCRIPTORS,
    "tests/integration/http/test_end_of_connection.py": NO_DESCRIPTORS,
    "tests/integration/http/test_clients.py": "needs curl and httpbin; test_served.py has curl on Linux",
    "tests/integration/http/test_streaming.py": "limits the resources of a process",
    "tests/integration/http/test_security_cases_abuse.py": NO_SIGTERM,
    "tests/integration/http/test_allowed_hosts.py::test_admin_listener_and_records": NO_SIGTERM,
    "tests/integration/http/test_deadlines.py::test_five_hundred_that_dribble": NO_SIGTERM,
    "tests/integration/http/test_deadlines.py::test_a_full_descriptor_table": NO_SIGTERM,
    "tests/integration/http/test_deadlines.py::test_idle_connections_make_way": NO_SIGTERM,
    "tests/integration/http/test_deadlines.py::test_readers_that_take_nothing": NO_SIGTERM,
    "tests/unit/wsgi/test_file_wrapper.py::test_a_size_in_doubt_is_not_told": NO_PROC,
    "tests/integration/wsgi/test_files_served.py::test_files_that_do_not_know_their_size": NO_PROC,
    "tests/integration/wsgi/test_broken_responses.py::test_a_cut_that_only_a_reset_can_show": NO_RESET,
    "tests/unit/core/net/test_transport.py::test_a_cut_response_is_reset": NO_RESET,
    "tests/unit/core/net/test_transport.py::test_input_and_disconnection": "only POLLRDHUP tells an end behind input",
    "tests/unit/core/http1/test_output.py": "reads from small buffers of the kernel: minutes over Wine's TCP",
    "tests/unit/wsgi/test_file_wrapper.py::test_extent_of_a_file_that_was_just_written": (
        "a temporary file is an object of Python's there, which is read instead"
    ),
    "tests/unit/core/loop/test_event_loop.py::test_what_has_come_goes_before_a_deadline_of_the_same_moment": AT_ONCE,
    "tests/unit/core/threads/test_read_ahead.py::test_one_request_of_each_http2_connection_is_read": AT_ONCE,
}

SUMMARY = re.compile(r"^[=\s]*(\d+ (?:passed|failed).*?)[=\s]*$", re.MULTILINE)
LONGEST = 1200.0
"""Seconds that a group may take on a busy machine."""


@pytest.mark.parametrize("name", GROUPS)
def test_group(name: str, record_property: Callable[[str, object], None]) -> None:
    """Every test of the group passes inside Windows; the summary of this run counts them."""
    options = ["-p", "no:cacheprovider", "-n0", "-q", "--tb=short", "-o", "faulthandler_timeout=120"]
    for test in LEFT_OUT:
        options += ["--deselect" if "::" in test else "--ignore", test]
    done = subprocess.run(
        command("-m", "pytest", *options, *GROUPS[name]), cwd=ROOT, env=environment(variables()), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=LONGEST, check=False,
    )  # fmt: skip
    found = SUMMARY.findall(done.stdout)
    record_property("inside", f"{name}: {found[-1] if found else 'no summary'}")
    assert done.returncode == 0, done.stdout[-20_000:]
