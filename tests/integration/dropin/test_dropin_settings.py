"""waitress's 34 settings in wiverno: each as keyword, as INI text and as option; conflicts, errors and warnings."""

import re
import socket
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.support import waitress_matrix
from tests.support.dropin import hello
from tests.support.processes import run, script
from wiverno import create_server
from wiverno.cli.options import collect_options
from wiverno.cli.serve import serve
from wiverno.config.errors import ConfigError
from wiverno.config.loader import load_section
from wiverno.config.settings import SETTINGS, Adjustments, TcpAddress

# name → (default, native value, its spelling in an INI file, its spelling as an option, the normalised value).
TABLE: dict[str, tuple[Any, Any, str, str, Any]] = {
    "host": ("0.0.0.0", "127.0.0.1", "127.0.0.1", "--host=127.0.0.1", "127.0.0.1"),
    "port": (8080, 9090, "9090", "--port=9090", 9090),
    "listen": (
        (), ["127.0.0.1:1", "[::1]:2"], "127.0.0.1:1\n  [::1]:2", "--listen=127.0.0.1:1 --listen=[::1]:2",
        ("127.0.0.1:1", "[::1]:2"),
    ),
    "ipv4": (True, False, "off", "--no-ipv4", False),
    "ipv6": (True, False, "false", "--no-ipv6", False),
    "unix_socket": (None, "/run/shop", "/run/shop", "--unix-socket=/run/shop", "/run/shop"),
    "unix_socket_perms": (0o600, 0o660, "660", "--unix-socket-perms=0660", 0o660),
    "sockets": ((), [], "", "", ()),
    "threads": (4, 16, "16", "--threads=16", 16),
    "backlog": (1024, 50, "50", "--backlog=50", 50),
    "connection_limit": (100, 1000, "1000", "--connection-limit=1000", 1000),
    "channel_timeout": (120, 30, "30", "--channel-timeout=30", 30.0),
    "cleanup_interval": (30, 10, "10", "--cleanup-interval=10", 10.0),
    "channel_request_lookahead": (0, 5, "5", "--channel-request-lookahead=5", 5),
    "recv_bytes": (8192, 65536, "65536", "--recv-bytes=65536", 65536),
    "send_bytes": (1, 18000, "18000", "--send-bytes=18000", 18000),
    "inbuf_overflow": (524288, 1024, "1024", "--inbuf-overflow=1024", 1024),
    "outbuf_overflow": (1048576, 1024, "1024", "--outbuf-overflow=1024", 1024),
    "outbuf_high_watermark": (16777216, 4096, "4096", "--outbuf-high-watermark=4096", 4096),
    "max_request_header_size": (262144, 8192, "8192", "--max-request-header-size=8192", 8192),
    "max_request_body_size": (1073741824, 1048576, "1048576", "--max-request-body-size=1MiB", 1048576),
    "expose_tracebacks": (False, True, "yes", "--expose-tracebacks", True),
    "log_socket_errors": (True, False, "no", "--no-log-socket-errors", False),
    "ident": ("wiverno", "shop", "shop", "--ident=shop", "shop"),
    "server_name": ("wiverno.invalid", "shop.test", "shop.test", "--server-name=shop.test", "shop.test"),
    "url_scheme": ("http", "https", "https", "--url-scheme=https", "https"),
    "url_prefix": ("", "/shop", "shop/", "--url-prefix=//shop", "/shop"),
    "trusted_proxy": (None, "127.0.0.1", "127.0.0.1", "--trusted-proxy=127.0.0.1", "127.0.0.1"),
    "trusted_proxy_count": (1, 2, "2", "--trusted-proxy-count=2", 2),
    "trusted_proxy_headers": (
        frozenset(), {"x-forwarded-for", "x-forwarded-proto"}, "x-forwarded-for X-Forwarded-Proto",
        "--trusted-proxy-headers=x-forwarded-for --trusted-proxy-headers=x-forwarded-proto",
        frozenset(("x-forwarded-for", "x-forwarded-proto")),
    ),
    "clear_untrusted_proxy_headers": (True, False, "0", "--no-clear-untrusted-proxy-headers", False),
    "log_untrusted_proxy_headers": (False, True, "t", "--log-untrusted-proxy-headers", True),
    "asyncore_loop_timeout": (1, 5, "5", "--asyncore-loop-timeout=5", 5.0),
    "asyncore_use_poll": (False, True, "on", "--asyncore-use-poll", True),
}  # fmt: skip

BESIDE: dict[str, dict[str, str]] = {
    "trusted_proxy": {"trusted_proxy_headers": "x-forwarded-for"},
    "trusted_proxy_count": {"trusted_proxy": "*", "trusted_proxy_headers": "x-forwarded-for"},
    "trusted_proxy_headers": {"trusted_proxy": "*"},
    "ipv4": {"host": "::1"},
}
"""What a setting needs beside it to be accepted."""

INERT = {"cleanup_interval", "channel_request_lookahead", "send_bytes", "asyncore_loop_timeout", "asyncore_use_poll"}

each_setting = pytest.mark.parametrize("name", TABLE)


def test_the_table_is_complete() -> None:
    """The table has waitress's 34 settings, no more and no fewer."""
    assert set(TABLE) == set(waitress_matrix.NAMES)
    assert len(TABLE) == 34


@each_setting
def test_default(name: str) -> None:
    """Nothing given: waitress's default, but for the two names of the server."""
    value = getattr(Adjustments.from_keywords(), name)
    assert value == TABLE[name][0]
    assert SETTINGS[name].default == value


@each_setting
def test_keyword(name: str) -> None:
    """A native value as keyword gives the normalised value, and so does its text."""
    _, native, text, _, expected = TABLE[name]
    for value in (native, text):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert getattr(Adjustments.from_keywords(**BESIDE.get(name, {}), **{name: value}), name) == expected
        assert [warning.category for warning in caught] == [DeprecationWarning] * (name in INERT)


@each_setting
def test_ini(name: str, tmp_path: Path) -> None:
    """The same as text in [server:main]; `sockets` can only be given in code."""
    keys = {**BESIDE.get(name, {}), name: TABLE[name][2]}
    if name == "sockets":
        with pytest.raises(ConfigError, match="sockets: can only be given in code"):
            load_section({}, {"sockets": "[]"}, environ={})
        return
    assert getattr(load_section({}, keys, environ={}).adjustments, name) == TABLE[name][4]


@each_setting
def test_option(name: str) -> None:
    """The same as an option of `wiverno serve`; booleans as --x and --no-x, lists repeated."""
    arguments = [f"--{key.replace('_', '-')}={value}" for key, value in BESIDE.get(name, {}).items()]
    context = serve.make_context("serve", [*arguments, *TABLE[name][3].split(), "shop:app"])
    if name == "sockets":
        assert not any(parameter.name == name for parameter in serve.params)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert getattr(Adjustments.from_keywords(**collect_options(context.params)), name) == TABLE[name][4]


def test_what_means_the_same_in_python(tmp_path: Path) -> None:
    """1 and 0 are booleans, whole floats are whole numbers, a Path is text; halves of things are refused."""
    made = Adjustments.from_keywords(
        expose_tracebacks=1, ipv6=0, max_request_body_size=1e6, threads=8.0, unix_socket=tmp_path / "s"
    )
    assert (made.expose_tracebacks, made.ipv6) == (True, False)
    assert (made.max_request_body_size, made.threads) == (1_000_000, 8)
    assert made.unix_socket == str(tmp_path / "s")
    for wrong in ({"threads": 8.5}, {"port": True}, {"ipv6": 2}, {"ipv6": "enabled"}, {"host": 5}):
        with pytest.raises(ConfigError):
            Adjustments.from_keywords(**wrong)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"listen": "*:1", "host": "::1"}, "listen: may not be set if host is set"),
        ({"listen": "*:1", "port": 1}, "listen: may not be set if port is set"),
        ({"listen": "*:1", "sockets": []}, "sockets: may not be set if listen is set"),
        ({"sockets": [], "host": "::1", "port": 1}, "sockets: may not be set if host and port are set"),
        ({"sockets": [], "unix_socket": "s"}, "sockets: may not be set if unix_socket is set"),
        ({"unix_socket": "s", "port": 1}, "unix_socket: may not be set if port is set"),
        ({"unix_socket": "s", "listen": "*:1"}, "unix_socket: may not be set if listen is set"),
        ({"trusted_proxy_count": 2}, "trusted_proxy_count: has no meaning without trusted_proxy"),
        ({"trusted_proxy_headers": "forwarded"}, "trusted_proxy_headers: has no meaning without trusted_proxy"),
        (
            {"trusted_proxy": "*", "trusted_proxy_headers": "forwarded x-forwarded-for"},
            "forwarded and the x-forwarded headers exclude one another",
        ),
        (
            {"trusted_proxy": "*", "trusted_proxy_headers": "x-real-ip"},
            "trusted_proxy_headers: expected any of forwarded, x-forwarded-for",
        ),
        ({"treads": 4}, 'treads: unknown setting did you mean "threads"?'),
        ({"listen": "127.0.0.1:x"}, '"x" is not a port (0 to 65535)'),
        ({"expose_tracebacks": "enabled"}, "expected true or false (also yes/no, on/off, 1/0)"),
        ({"sockets": [5]}, "expected sockets, not int"),
        ({"threads": 0}, "must be at least 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_refused(settings: dict[str, Any], message: str) -> None:
    """What waitress refuses, and what it swallows, is a ValueError that says what is wrong."""
    with pytest.raises(ValueError) as caught:
        Adjustments.from_keywords(**settings)
    assert message in re.sub(r"\s+", " ", str(caught.value))


def test_all_mistakes_at_once() -> None:
    """One error has every problem."""
    with pytest.raises(ConfigError) as caught:
        Adjustments.from_keywords(port="x", threads="y", ipv6="z")
    assert [problem.key for problem in caught.value.problems] == ["ipv6", "port", "threads"]


@pytest.mark.parametrize("mixed", [True, False], ids=["mixed families", "datagram"])
def test_sockets_of_the_wrong_kind(mixed: bool, tmp_path: Path) -> None:
    """Internet and Unix sockets may not be mixed in `sockets`, and only stream sockets serve."""
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix, socket.socket(type=socket.SOCK_DGRAM) as udp:
        wrong = [tcp, unix] if mixed else [udp]
        message = "may not be mixed" if mixed else "only Internet or UNIX stream sockets"
        with pytest.raises(ValueError, match=message):
            Adjustments.from_keywords(sockets=wrong)


def test_one_warning_for_what_does_nothing() -> None:
    """asyncore's settings are accepted with one DeprecationWarning that names those that were set."""
    with pytest.warns(DeprecationWarning, match="do nothing") as caught:
        create_server(hello, host="127.0.0.1", port=0, send_bytes=1, asyncore_use_poll=True).close()
    assert [str(warning.message) for warning in caught] == [
        "send_bytes, asyncore_use_poll do nothing in wiverno, whose engine is not asyncore; remove what sets it"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        create_server(hello, host="127.0.0.1", port=0).close()


def test_trusted_proxy_alone_warns() -> None:
    """trusted_proxy without headers trusts X-Forwarded-Proto as in waitress, and warns."""
    with pytest.warns(DeprecationWarning, match="x-forwarded-proto is trusted as in waitress"):
        made = Adjustments.from_keywords(trusted_proxy="*")
    assert made.trusted_proxy_headers == {"x-forwarded-proto"}


@pytest.mark.parametrize(
    ("settings", "addresses"),
    [
        ({}, [("0.0.0.0", 8080)]),
        ({"port": 9}, [("0.0.0.0", 9)]),
        ({"host": "::1"}, [("::1", 8080)]),
        ({"listen": "127.0.0.1"}, [("127.0.0.1", 8080)]),
        ({"listen": "[::1]"}, [("::1", 8080)]),
        ({"listen": "*:80"}, [("", 80)]),
    ],
    ids=str,
)
def test_addresses(settings: dict[str, Any], addresses: list[tuple[str, int]]) -> None:
    """Where a server listens: host and port, listen in their place, port 8080 for a bare host."""
    assert list(Adjustments.from_keywords(**settings).addresses) == [TcpAddress(*pair) for pair in addresses]


def test_differences_from_waitress_are_documented() -> None:
    """Every difference of the matrix stands in the migration page, and the page has none that does not exist."""
    different = waitress_matrix.differences()
    reasons = {waitress_matrix.reason(row) for row in different}
    unexplained = [str(row) for row in different if waitress_matrix.reason(row) not in waitress_matrix.documented()]
    assert not unexplained, "\n".join(unexplained)
    assert waitress_matrix.documented() == reasons


def test_the_matrix_as_a_script() -> None:
    """`python -m tests.support.waitress_matrix` prints the differences by reason, and succeeds."""
    done = run(["-m", "tests.support.waitress_matrix"])
    assert done.returncode == 0, done.stdout
    assert re.search(r"of 34 settings: \d+ equal, \d+ different, 0 of them not in the migration page", done.stdout)


def test_every_setting_reaches_a_server(tmp_path: Path) -> None:
    """One INI file with all settings that do not exclude one another starts under the real command."""
    skipped = {"host", "port", "unix_socket", "sockets", "ipv4"}
    lines = [f"{name} = {row[2]}" for name, row in TABLE.items() if name not in skipped | {"listen"}]
    (tmp_path / "shop.ini").write_text(
        "[server:main]\nuse = egg:wiverno#main\nlisten =\n    127.0.0.1:0\n"
        + "\n".join(lines)
        + "\n[app:main]\nuse = egg:wiverno#demo\n"
    )
    done = run([script("wiverno"), "run", "--config", "shop.ini", "--check"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
