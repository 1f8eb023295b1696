"""The same settings through waitress and wiverno: python -m tests.support.waitress_matrix prints where they differ.

Each of waitress's 34 settings is given in three forms, as a keyword of Python, as text of an INI file, and as a
command-line option, with ordinary values, odd ones and wrong ones. What comes out is brought into one shape: the value,
or "refused". Every difference must be one that docs/migrating-from-waitress.md has under "Settings".
"""

import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from getopt import GetoptError
from pathlib import Path
from typing import Any, Final

import click
import waitress.adjustments

from wiverno.cli.options import collect_options
from wiverno.cli.serve import serve
from wiverno.config.loader import load_section
from wiverno.config.settings import Adjustments, TcpAddress

REFUSED: Final = "refused"
NATIVE: Final = "keyword"
INI: Final = "INI"
OPTION: Final = "option"

NUMBERS: Final[tuple[str, ...]] = ("8", " 8 ", "+8", "0", "-1", "1_000", "8.5", "", "many", "10KiB", "30s")
NATIVE_NUMBERS: Final[tuple[Any, ...]] = (8, 0, -1, 8.0, 8.5, True, None, "8", "many")
WORDS: Final[tuple[str, ...]] = (
    "true",
    "TRUE",
    "t",
    "yes",
    "y",
    "on",
    "1",
    "false",
    "f",
    "no",
    "n",
    "off",
    "0",
    "",
    "2",
    "enabled",
)
NATIVE_FLAGS: Final[tuple[Any, ...]] = (True, False, 1, 0, None, "true", "off", "enabled", 2)
HOST: Final = "127.0.0.1"

INTEGERS: Final = (
    "port", "threads", "backlog", "connection_limit", "channel_timeout", "cleanup_interval",
    "channel_request_lookahead", "recv_bytes", "send_bytes", "inbuf_overflow", "outbuf_overflow",
    "outbuf_high_watermark", "max_request_header_size", "max_request_body_size", "asyncore_loop_timeout",
)  # fmt: skip
FLAGS: Final = (
    "ipv4", "ipv6", "expose_tracebacks", "log_socket_errors", "clear_untrusted_proxy_headers",
    "log_untrusted_proxy_headers", "asyncore_use_poll",
)  # fmt: skip

# Setting → (texts, native values beside them).
OTHERS: Final[dict[str, tuple[tuple[str, ...], tuple[Any, ...]]]] = {
    "host": ((HOST, "0.0.0.0", "::1", "[::1]", "*", "localhost", "no host", "nowhere.invalid"), (None, 5)),
    "listen": (
        (
            f"{HOST}:8080", f"{HOST}:8080 {HOST}:8081", f"{HOST}:8080\n  [::1]:8081", f"{HOST}", "*:8080", "[::1]:8080",
            f"localhost:8080 {HOST}:8080", f"{HOST}:8080,{HOST}:8081", ":8080", "8080", f"{HOST}:http", f"{HOST}:x",
            f"http://{HOST}:8080", "unix:/run/wiverno.sock", "::1", f"{HOST}:99999", "",
        ),
        ([f"{HOST}:8080"], (f"{HOST}:8080", f"{HOST}:8081"), None, 8080),
    ),
    "unix_socket": (("/run/s", "s", ""), (Path("/run/s"), None)),
    "unix_socket_perms": (("600", "0600", "0o660", "777", "1777", "7", "888", "rw"), (0o600, 600, None)),
    "sockets": ((), ([], [5], None)),
    "ident": (("shop", "shop/1.0", "", "a\nb"), (None, "shop", 5)),
    "server_name": (("shop", "www.example.org", "", "a b"), (None,)),
    "url_scheme": (("https", "HTTPS", "", "a b"), (None,)),
    "url_prefix": (("/app", "app", "app/", "//app//", "/a/b", "/", "", " /app ", "a b"), (None,)),
    "trusted_proxy": ((HOST, "*", "localhost", ""), (None,)),
    "trusted_proxy_count": (("2", "0", "-1", "many", "1_0"), (2, None, 2.0)),
    "trusted_proxy_headers": (
        (
            "x-forwarded-for", "x-forwarded-for x-forwarded-proto", "X-Forwarded-For", "forwarded",
            "x-forwarded-for\nx-forwarded-host x-forwarded-port x-forwarded-by", "x-forwarded-for, x-forwarded-proto",
            "forwarded x-forwarded-for", "x-real-ip", "",
        ),
        ({"x-forwarded-for"}, ["x-forwarded-for", "x-forwarded-proto"], None),
    ),
}  # fmt: skip

# Settings that mean something only beside another one.
BESIDE: Final = {
    "trusted_proxy_count": {"trusted_proxy": HOST, "trusted_proxy_headers": "x-forwarded-for"},
    "trusted_proxy_headers": {"trusted_proxy": HOST},
}

NAMES: Final = tuple(waitress.adjustments.Adjustments._param_map)


@dataclass(frozen=True, slots=True)
class Row:
    """One value in one form, and what each server makes of it."""

    name: str
    form: str
    given: Any
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"{self.name:32}{self.form:9}{self.given!r:46.46}{self.theirs!r:38.38}{self.ours!r:.60}"


def values(name: str) -> Iterator[tuple[str, Any]]:
    """Give (form, value) for everything that is tried with a setting."""
    if name in INTEGERS:
        texts, natives = NUMBERS, NATIVE_NUMBERS
    elif name in FLAGS:
        texts, natives = WORDS, NATIVE_FLAGS
    else:
        texts, natives = OTHERS[name]
    for native in natives:
        yield NATIVE, native
    for text in texts:
        yield NATIVE, text
        yield INI, text
        if name not in FLAGS:
            yield OPTION, text
    if name in FLAGS:
        yield OPTION, True
        yield OPTION, False


def matrix() -> Iterator[Row]:
    """Give a row for each setting, form and value, and one for each setting that is not given at all."""
    for name in NAMES:
        yield Row(name, "default", "", outcome(theirs, name, {}), outcome(ours, name, {}))
        for form, value in values(name):
            settings = {**BESIDE.get(name, {}), name: value}
            if form == OPTION:
                arguments = [_option(key, setting) for key, setting in settings.items()]
                their = outcome(lambda n, a: theirs(n, _their_options(a)), name, arguments)
                our = outcome(lambda n, a: ours(n, _our_options(a)), name, arguments)
            else:
                their = outcome(theirs, name, settings)
                our = outcome(ours if form == NATIVE else _ours_from_ini, name, settings)
            yield Row(name, form, value, their, our)


def _option(name: str, value: Any) -> str:
    option = name.replace("_", "-")
    if value is False:
        return f"--no-{option}"
    return f"--{option}" if value is True else f"--{option}={value}"


def _their_options(arguments: list[str]) -> dict[str, Any]:
    kw, _ = waitress.adjustments.Adjustments.parse_args([*arguments, "shop:app"])
    return {name: value for name, value in kw.items() if name not in ("help", "call")}


def _our_options(arguments: list[str]) -> dict[str, object]:
    context = serve.make_context("serve", [*arguments, "shop:app"])
    return collect_options(context.params)


def outcome(make: Callable[[str, Any], str], name: str, settings: Any) -> str:
    """Return what came out, or that the value was refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return make(name, settings)
        except (ValueError, TypeError, AttributeError, OSError, GetoptError, click.ClickException, SystemExit):
            return REFUSED


def theirs(name: str, settings: dict[str, Any]) -> str:
    """Return the value of a setting in waitress, in the common shape."""
    made = waitress.adjustments.Adjustments(**settings)
    if name in ("host", "port", "listen"):
        return _addresses({(address[3][0], int(address[3][1])) for address in made.listen})
    return _shape(getattr(made, name))


def ours(name: str, settings: dict[str, Any]) -> str:
    """Return the value of a setting in wiverno, in the common shape."""
    return _our_value(name, Adjustments.from_keywords(**settings))


def _ours_from_ini(name: str, settings: dict[str, Any]) -> str:
    return _our_value(name, load_section({}, settings, environ={}).adjustments)


def _our_value(name: str, made: Adjustments) -> str:
    if name in ("host", "port", "listen"):
        found: set[tuple[Any, ...]] = set()
        for address in made.addresses:
            if isinstance(address, TcpAddress):
                found |= _resolved(address)
            else:
                found.add((str(address), 0))
        return _addresses(found)
    return _shape(getattr(made, name))


def _resolved(address: TcpAddress) -> set[tuple[Any, ...]]:
    """Return what getaddrinfo(3) makes of an address, as the listeners of both servers do."""
    found = socket.getaddrinfo(
        address.host or None, address.port, socket.AF_UNSPEC, socket.SOCK_STREAM, socket.IPPROTO_TCP, socket.AI_PASSIVE
    )
    return {info[4][:2] for info in found}


def _addresses(found: set[tuple[Any, ...]]) -> str:
    return " ".join(f"{host}:{port}" for host, port in sorted(found))


def _shape(value: Any) -> str:
    """Return a value in words that do not depend on which server it comes from."""
    if isinstance(value, set | frozenset | list | tuple):
        return " ".join(sorted(map(str, value)))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value)


def reason(row: Row) -> str:
    """Return the row of the migration page that explains a difference, "" if none does."""
    value = row.given
    if row.form == "default":
        return "names of the server" if row.name in ("ident", "server_name") else ""
    if value is None:
        return "None"
    if row.name in FLAGS:
        if row.name == "ipv4" and row.theirs == REFUSED:
            return "ipv4 off"
        return "words that are no boolean" if row.ours == REFUSED else ""
    if row.name in INTEGERS or row.name == "trusted_proxy_count":
        return _reason_of_number(row)
    if row.name in ("listen", "host"):
        return "spellings of listen" if row.name == "listen" or not isinstance(value, str) else ""
    if row.name == "url_prefix" and value == "/":
        return "prefix /"
    if row.name in ("ident", "server_name", "url_scheme", "url_prefix"):
        return "text that cannot stand there" if row.ours == REFUSED else ""
    by_name = {
        "unix_socket_perms": "file modes",
        "sockets": "sockets that are none",
        "trusted_proxy_headers": "lists of words",
        "unix_socket": "text that cannot stand there" if row.ours == REFUSED else "",
    }
    return by_name.get(row.name, "")


def _reason_of_number(row: Row) -> str:
    value = row.given
    if row.theirs == REFUSED:
        return "units and fractions" if row.ours != REFUSED else ""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        return "truncated numbers"
    if isinstance(value, str) and not value.strip().lstrip("-").isdigit():
        return "spellings of numbers"
    return "numbers out of range" if row.ours == REFUSED else ""


def documented() -> set[str]:
    """Return the first cells of the migration page's table under "Settings"."""
    page = Path(__file__).resolve().parents[2] / "docs" / "migrating-from-waitress.md"
    section = page.read_text(encoding="utf-8").partition("## Settings\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return {row.split("|")[1].strip() for row in rows[1:]}


def differences() -> list[Row]:
    """Return the rows in which waitress and wiverno do not come to the same."""
    return [row for row in matrix() if row.theirs != row.ours]


def main() -> int:
    """Print the differences by explanation; 1 if the migration page does not have one of them."""
    rows = list(matrix())
    page, unexplained = documented(), 0
    by_reason: dict[str, list[Row]] = {}
    for row in rows:
        if row.theirs != row.ours:
            by_reason.setdefault(reason(row), []).append(row)
    for why, found in sorted(by_reason.items()):
        unexplained += len(found) if why not in page else 0
        print(f"\n{why or 'UNEXPLAINED'}{'' if why in page else ' (not in docs/migrating-from-waitress.md)'}")
        print(*(f"    {row}" for row in found), sep="\n")
    different = sum(map(len, by_reason.values()))
    counts = f"{len(rows) - different} equal, {different} different, {unexplained} of them not in the migration page"
    print(f"\n{len(rows)} rows of {len(NAMES)} settings: {counts}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
