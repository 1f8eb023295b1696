"""Adjustments: every setting once — name, type, unit, default, meaning, group.

A setting is one entry of the class below. Options, names of variables, help, JSON Schema, the settings page and the
output of `wiverno config` are derived from it; there is no second list. The values of an `Adjustments` are normalised
(seconds, bytes, numbers) and complete: a setting that no source gives has its default.

A setting is added together with the code that reads it, never before.
"""

import os
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Self

from wiverno.config import validation
from wiverno.config.errors import ConfigError, Origin, Problem, did_you_mean
from wiverno.config.fields import mount_types, network_types, types, units
from wiverno.config.fields.field import Setting, setting
from wiverno.config.fields.model import BadValuesError
from wiverno.config.fields.network_types import Network
from wiverno.config.fields.units import Address, FdAddress, TcpAddress, UnixAddress
from wiverno.config.operations import OperationsSettings
from wiverno.static.mounts import Mount

# Everything that core/ needs of this room: it imports no other file of it.
__all__ = ["ALIASES", "SETTINGS", "Address", "Adjustments", "ConfigError", "FdAddress", "TcpAddress", "UnixAddress"]


def _default_trusted_headers(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the headers that waitress trusts if only trusted_proxy is set, which is deprecated."""
    alone = values.get("trusted_proxy") is not None and not values.get("proxy_protocol")
    return frozenset(("x-forwarded-proto",)) if alone else frozenset()


def _default_body_memory(values: Mapping[str, Any]) -> int:
    """Return 64 MiB, or 0 if inbuf_overflow is not its default: then it means what it means in waitress."""
    return 67108864 if values.get("inbuf_overflow") == 524288 else 0


class Adjustments(OperationsSettings):
    """The settings of one server, validated, complete and frozen; operations.py declares those of operation.

    Raises:
        ConfigError: values that are not accepted or contradict one another; all of them at once, as a ValueError.
    """

    # `mode` stands first: defaults of the settings below depend on it.
    mode: Annotated[str, types.choice("threaded", "simple")] = setting(
        "threaded",
        "How the application runs: on a thread pool, or one request at a time in the event loop (RunServer).",
        "Server",
    )
    host: Annotated[str, network_types.host()] = setting(
        "0.0.0.0",
        "Host name or address to listen on; * is every address. For wiverno run the default is localhost.",
        "Listening",
        simple="localhost",
    )
    port: Annotated[int, types.integer(0, 65535, examples=("8000",))] = setting(
        8080,
        "TCP port to listen on; 0 lets the system choose one. For wiverno run the default is 8000.",
        "Listening",
        simple=8000,
    )
    listen: Annotated[tuple[str, ...], network_types.addresses()] = setting(
        (),
        "Addresses to listen on, in place of host and port: host:port, [v6]:port, *:port, unix:/path, fd:NAME.",
        "Listening",
    )
    ipv4: Annotated[bool, types.boolean()] = setting(
        True, "Use IPv4 where a host name or * has such addresses.", "Listening"
    )
    ipv6: Annotated[bool, types.boolean()] = setting(
        True, "Use IPv6 where a host name or * has such addresses.", "Listening"
    )
    unix_socket: Annotated[
        str | None, types.optional_text("the path of a Unix socket", examples=("/run/wiverno.sock",))
    ] = setting(None, "Path of a Unix socket to listen on, in place of host and port.", "Listening")
    unix_socket_perms: Annotated[int, types.file_mode()] = setting(
        0o600, "File mode of the Unix sockets that the server creates.", "Listening"
    )
    sockets: Annotated[tuple[Any, ...], network_types.sockets()] = setting(
        (), "Sockets already bound, to listen on in place of everything above.", "Listening", code_only=True
    )
    backlog: Annotated[int, types.integer(1, 2**31 - 1)] = setting(
        1024,
        "Length of the accept queue: connections that the kernel holds until the server accepts them (listen(2)).",
        "Listening",
        simple=5,
        aliases=("request_queue_size",),
    )
    http2: Annotated[bool, types.boolean()] = setting(
        False,
        "Speak HTTP/2 too: over TLS if the client chooses it, in clear with trusted proxies and on Unix sockets.",
        "Listening",
    )
    connection_limit: Annotated[int, types.integer(1)] = setting(
        100, "Open connections at which no more are accepted; further ones wait in the accept queue.", "Listening"
    )

    threads: Annotated[int, types.integer(1, 4096)] = setting(
        4, "Threads that may be inside the application at once.", "Server"
    )
    max_threads: Annotated[int, types.integer(0, 4096)] = setting(
        0,
        "Threads that there may be while requests wait because all are held up; idle ones end again, down to threads. "
        "0 is never more than threads.",
        "Server",
    )
    max_requests_per_client: Annotated[int, types.integer(0)] = setting(
        0,
        "Requests of one client address that may be inside the application of a process at once; more of them wait. "
        "0 is no bound.",
        "Server",
    )
    event_loops: Annotated[int, types.integer(0, 256)] = setting(
        0,
        "Event loops of each process, which serve in parallel where Python has no GIL. 0 is one for each processor "
        "there, and one with the GIL. Each has its `threads`; `connection_limit` is divided among them.",
        "Server",
    )
    queue_size: Annotated[int, types.integer(0)] = setting(
        0, "Requests that may wait for a thread; one more is answered 503. 0 is no bound.", "Server"
    )
    queue_timeout: Annotated[float, types.duration()] = setting(
        0.0, "Longest wait of a request for a thread; after it the answer is 503.", "Server"
    )
    request_timeout: Annotated[float, types.duration()] = setting(
        60.0, "Time after which a request that is still running is logged with its thread's stack.", "Server"
    )
    graceful_timeout: Annotated[float, types.duration()] = setting(
        30.0, "Time that requests in flight get to finish when the server stops.", "Server"
    )
    poller: Annotated[str, types.choice("auto", "epoll", "selectors")] = setting(
        "auto",
        "How the event loop waits for ready sockets; auto is epoll where there is one, selectors elsewhere.",
        "Server",
    )
    ident: Annotated[str, types.header_value()] = setting(
        "wiverno", "The Server header of responses; empty leaves it out.", "Server"
    )
    server_name: Annotated[str, types.text("a host name", r"[^\s/]+", examples=("www.example.org",))] = setting(
        "wiverno.invalid", "SERVER_NAME where the request names no host.", "Server"
    )

    channel_timeout: Annotated[float, types.duration()] = setting(
        120.0, "Time after which a connection without traffic and without a request is closed.", "Connections"
    )
    header_timeout: Annotated[float, types.duration()] = setting(
        30.0, "Time in which the head of a request must arrive, counted from its first byte.", "Connections"
    )
    body_timeout: Annotated[float, types.duration()] = setting(
        60.0, "Longest pause while the body of a request arrives.", "Connections"
    )
    body_min_rate: Annotated[int, types.size()] = setting(
        100,
        "Bytes a second that a request's body must bring on average, once body_timeout has passed; 0 is any.",
        "Connections",
    )
    log_socket_errors: Annotated[bool, types.boolean()] = setting(
        True, "Log clients that disconnect early.", "Connections"
    )

    max_request_header_size: Annotated[int, types.size(1)] = setting(
        262144, "Size at which a request's line and headers together are refused with 431.", "Limits"
    )
    max_request_body_size: Annotated[int, types.size()] = setting(
        1073741824, "Size at which a request's body is refused with 413.", "Limits"
    )
    max_header_count: Annotated[int, types.integer(1)] = setting(
        100, "Header fields that a request may have; more are refused with 431.", "Limits"
    )
    max_request_line_size: Annotated[int, types.size(1)] = setting(
        16384, "Size past which a request line is refused with 414.", "Limits"
    )

    allowed_hosts: Annotated[tuple[str, ...], network_types.hosts()] = setting(
        (),
        "Hosts that requests may name: example.org, *.example.org, addresses; others are answered 421. Empty is any.",
        "Limits",
    )

    recv_bytes: Annotated[int, types.size(1)] = setting(8192, "Bytes asked of a socket at once.", "Buffers")
    inbuf_overflow: Annotated[int, types.size()] = setting(
        524288,
        "Request body past which it goes to a temporary file, unless max_body_memory has room for it.",
        "Buffers",
    )
    max_body_memory: Annotated[int, types.size()] = setting(
        67108864,
        "Memory that all request bodies past inbuf_overflow may use together in one process, and one of them an eighth "
        "of it; what does not fit goes to temporary files. The default is 0 where inbuf_overflow is set.",
        "Buffers",
        otherwise=_default_body_memory,
    )
    outbuf_overflow: Annotated[int, types.size()] = setting(
        1048576, "Unsent output past which it goes to a temporary file.", "Buffers"
    )
    outbuf_high_watermark: Annotated[int, types.size()] = setting(
        16777216, "Unsent output at which the application waits until the client has taken some.", "Buffers"
    )

    trusted_proxy: Annotated[
        str | None,
        types.optional_text("the IP address of a proxy, localhost (Unix sockets) or *", examples=("127.0.0.1",)),
    ] = setting(
        None,
        "Peer whose proxy headers are trusted: an IP address, localhost for Unix sockets, or * for every peer.",
        "Proxy",
    )
    trusted_proxies: Annotated[tuple[Network, ...], network_types.networks()] = setting(
        (), "Networks whose hosts' proxy headers are trusted, beside trusted_proxy.", "Proxy"
    )
    trusted_proxy_count: Annotated[int, types.integer(1)] = setting(
        1, "How many proxies are trusted, counted from this server outwards.", "Proxy"
    )
    proxy_protocol: Annotated[bool, types.boolean()] = setting(
        False,
        "Expect the PROXY protocol (version 1 or 2) at the start of each connection from a trusted proxy.",
        "Proxy",
    )
    trusted_proxy_headers: Annotated[frozenset[str], types.enum_set(*validation.PROXY_HEADERS)] = setting(
        frozenset(),
        "Headers that a trusted proxy sets: forwarded, or any of the x-forwarded ones.",
        "Proxy",
        otherwise=_default_trusted_headers,
    )
    clear_untrusted_proxy_headers: Annotated[bool, types.boolean()] = setting(
        True, "Remove proxy headers that are not trusted from the environ.", "Proxy"
    )
    log_untrusted_proxy_headers: Annotated[bool, types.boolean()] = setting(
        False, "Log proxy headers that are not trusted.", "Proxy"
    )

    url_scheme: Annotated[
        str, types.text("a URL scheme such as http or https", r"[A-Za-z][A-Za-z0-9+.-]*", examples=("https",))
    ] = setting("http", "Scheme of the URLs that the application builds (wsgi.url_scheme).", "Application")
    url_prefix: Annotated[str, types.path_prefix()] = setting(
        "", "Path under which the application is mounted (SCRIPT_NAME).", "Application"
    )
    static: Annotated[tuple[Mount, ...], mount_types.mounts()] = setting(
        (), "Directories whose files the server sends itself, each under a path; the longest path wins.", "Application"
    )
    expose_tracebacks: Annotated[bool, types.boolean()] = setting(
        False, "Put the traceback into the body of a 500 response. For development only.", "Application"
    )

    cleanup_interval: Annotated[float, types.duration(zero="")] = setting(
        30.0,
        "Accepted for waitress's sake; does nothing: every connection has its own deadline.",
        "Compatibility",
        inert=True,
    )
    channel_request_lookahead: Annotated[int, types.integer(0)] = setting(
        0,
        "Accepted for waitress's sake; does nothing: client_disconnected detects closed connections without it.",
        "Compatibility",
        inert=True,
    )
    send_bytes: Annotated[int, types.size()] = setting(
        1, "Accepted for waitress's sake; does nothing.", "Compatibility", inert=True
    )
    asyncore_loop_timeout: Annotated[float, types.duration(zero="")] = setting(
        1.0, "Accepted for waitress's sake; does nothing.", "Compatibility", inert=True
    )
    asyncore_use_poll: Annotated[bool, types.boolean()] = setting(
        False, "Accepted for waitress's sake; does nothing.", "Compatibility", inert=True
    )

    def __init__(self, **values: Any) -> None:
        given, problems = _resolve_aliases(values)
        problems += validation.find_conflicts(given)
        try:
            super().__init__(given)
        except BadValuesError as error:
            problems += _convert_errors(error, values)
        else:
            problems += validation.find_contradictions(
                vars(self), self.model_fields_set, self.addresses, self.admin_address
            )
        if problems:
            raise ConfigError(problems)

    @classmethod
    def from_keywords(cls, **values: Any) -> Self:
        """Return settings from the keywords of `serve()` and the like: text as in INI files, or native values.

        None leaves a setting at its default, except for `ident=None`, which omits the header. What means the same in
        Python is accepted as well: 1 and 0 for booleans, 1e9 for a whole number, a Path for text.

        Warns:
            DeprecationWarning: settings that do nothing, and trusted_proxy without trusted_proxy_headers.

        Raises:
            ConfigError: see the class.
        """
        if values.get("env_file"):
            hint = "read it before, and give its variables as env"
            raise ConfigError([validation.problem("env_file", "is read with a configuration file, not in code", hint)])
        made = cls(**{name: _normalise_keyword(name, value) for name, value in values.items()})
        for text in made.deprecations():
            warnings.warn(text, DeprecationWarning, stacklevel=3)
        return made

    def deprecations(self) -> list[str]:
        """Return one sentence for each deprecated use."""
        inert = [name for name, entry in SETTINGS.items() if entry.inert]
        return validation.find_deprecations(vars(self), self.model_fields_set, inert)

    @property
    def request_queue_size(self) -> int:
        """`backlog`, by RunServer's name."""
        return self.backlog

    @property
    def pool_threads(self) -> int:
        """Threads of the pool at the start; 0 if the application runs in the event loop's thread (RunServer)."""
        return 0 if self.mode == "simple" or max(self.threads, self.max_threads) == 1 else self.threads

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses to listen on, from listen, unix_socket, or host and port; none if `sockets` are given."""
        if self.sockets:
            return ()
        if self.listen:
            return tuple(dict.fromkeys(units.read_address(word, self.port) for word in self.listen))
        if self.unix_socket:
            return (UnixAddress(self.unix_socket),)
        return (TcpAddress(units.read_host(self.host), self.port),)


# A base class's settings come first in the class; in help and documentation they come last.
SETTINGS: Mapping[str, Setting] = MappingProxyType(
    dict(sorted(Adjustments.model_fields.items(), key=lambda item: item[0] in OperationsSettings.model_fields))
)
ADDRESS_LISTS = ("listen", "redirect_listen")
"""The settings whose items may be systemd's names of sockets."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: entry.name for entry in SETTINGS.values() for alias in entry.aliases}
)


def unknown_setting(name: str, origin: Origin) -> Problem:
    """Return the problem of a name that is no setting."""
    from wiverno.config.fields.foreign_names import foreign_name  # only mistakes need it

    hint = foreign_name(name) or did_you_mean(name, [*SETTINGS, *ALIASES])
    return Problem("unknown setting", origin, name, hint=hint, about="key")


def _normalise_keyword(name: str, value: Any) -> Any:
    """Return a keyword's value in the form that its setting's type accepts, if it means the same."""
    entry = SETTINGS.get(ALIASES.get(name, name))
    if entry is not None and entry.type.is_flag and type(value) is int and value in (0, 1):
        return bool(value)
    if entry is not None and entry.type.unit != "seconds" and isinstance(value, float) and value.is_integer():
        return int(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _resolve_aliases(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values by their settings' names, without unset ones, and the problems of the names."""
    given: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in values.items():
        name = ALIASES.get(key, key)
        if name not in SETTINGS:
            problems.append(unknown_setting(key, Origin("keyword", text=key)))
        elif name in given:
            problems.append(validation.problem(key, f"is the same setting as {name}, which is set as well"))
        elif value is not None or name == "ident":
            given[name] = value
    return given, problems


def _convert_errors(error: BadValuesError, values: Mapping[str, Any]) -> list[Problem]:
    """Return the errors as problems, each with the name and the value as they were given."""
    found = []
    for name, reason in error.wrong.items():
        key = name if name in values else next(alias for alias in SETTINGS[name].aliases if alias in values)
        origin = Origin("keyword", text=key)
        secret = SETTINGS[name].secret
        value = None if reason.item and reason.part is None else values[key]
        found.append(
            Problem(reason.message, origin, key, value, reason.hint, secret=secret, part=reason.part, item=reason.item)
        )
    return found
