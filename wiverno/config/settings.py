"""Adjustments: every setting once — name, kind, unit, default, meaning, group.

A setting is one entry of the class below. Options, names of variables, help, JSON Schema, the settings page and the answers of
`wiverno config` are derived from it; no second list exists. The values of an `Adjustments` are normalised (seconds, bytes, numbers)
and complete: what nobody set has its default.

A setting enters the model with the feature it steers, never before.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from wiverno.config import rules, units
from wiverno.config.errors import BadValue, ConfigError, Origin, Problem, did_you_mean
from wiverno.config.kinds import (
    Addresses, Choice, Duration, Flag, Host, Identity, Kind, Mode, Network, Networks, Prefix, Size, Sockets, Text, Whole, WordSet,
)  # fmt: skip


def setting(
    default: object,
    meaning: str,
    group: str,
    *,
    simple: object = None,
    otherwise: Callable[[Mapping[str, Any]], object] | None = None,
    aliases: tuple[str, ...] = (),
    secret: bool = False,
    inert: bool = False,
    code_only: bool = False,
) -> Any:
    """Declare a setting.

    Args:
        default: the normalised default.
        meaning: what it steers, in one or two sentences.
        group: the heading it stands under in help and documentation.
        simple: the default in mode "simple", where it differs.
        otherwise: gives the default from the settings above it, where it depends on them.
        aliases: other names accepted from every source.
        secret: the value is shown nowhere unless asked for.
        inert: accepted for waitress's sake; it does nothing and warns once.
        code_only: no file, variable or option can give it.
    """
    about: dict[str, Any] = {
        "group": group, "aliases": aliases, "secret": secret, "inert": inert, "code_only": code_only,
        "default": default, "simple": default if simple is None else simple,
    }  # fmt: skip
    if otherwise is None and simple is not None:
        otherwise = lambda values: simple if values.get("mode") == "simple" else default  # noqa: E731
    if otherwise is not None:
        return Field(default_factory=otherwise, description=meaning, json_schema_extra=about)
    return Field(default=default, description=meaning, json_schema_extra=about)


def _trusted_by_default(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the headers that waitress trusts when only trusted_proxy is set; `rules.deprecations` warns of it."""
    alone = values.get("trusted_proxy") is not None and not values.get("proxy_protocol")
    return frozenset(("x-forwarded-proto",)) if alone else frozenset()


class Adjustments(BaseModel):
    """The settings of one server, checked, complete and frozen.

    Raises:
        ConfigError: values that are not accepted or contradict one another; all of them at once, as a ValueError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    # `mode` stands first: defaults of the settings below depend on it.
    mode: Annotated[str, Choice(("threaded", "simple"))] = setting(
        "threaded",
        "How the application runs: on a crew of threads, or on the loop's own thread, one request at a time (RunServer).",
        "Server",
    )
    host: Annotated[str, Host()] = setting(
        "0.0.0.0", "Host name or address to listen on; * is every address.", "Listening", simple="localhost"
    )
    port: Annotated[int, Whole(0, 65535)] = setting(
        8080, "TCP port to listen on; 0 lets the system choose one.", "Listening", simple=8000
    )
    listen: Annotated[tuple[str, ...], Addresses()] = setting(
        (),
        "Addresses to listen on, in place of host and port: host:port, [v6]:port, *:port, unix:/path, fd:NAME.",
        "Listening",
    )
    ipv4: Annotated[bool, Flag()] = setting(True, "Use IPv4 where a host name or * has such addresses.", "Listening")
    ipv6: Annotated[bool, Flag()] = setting(True, "Use IPv6 where a host name or * has such addresses.", "Listening")
    unix_socket: Annotated[
        str | None, Text(form="the path of a Unix socket", optional=True, samples=("/run/wiverno.sock",))
    ] = setting(None, "Path of a Unix socket to listen on, in place of host and port.", "Listening")
    unix_socket_perms: Annotated[int, Mode()] = setting(
        0o600, "File mode of every Unix socket that is made.", "Listening"
    )
    sockets: Annotated[tuple[Any, ...], Sockets()] = setting(
        (), "Sockets already bound, to listen on in place of everything above.", "Listening", code_only=True
    )
    backlog: Annotated[int, Whole(1, 2**31 - 1)] = setting(
        1024,
        "Connections that the system keeps waiting until they are accepted, the argument of listen(2).",
        "Listening",
        simple=5,
        aliases=("request_queue_size",),
    )
    connection_limit: Annotated[int, Whole(1)] = setting(
        100, "Open connections at which no more are accepted; they wait in the backlog.", "Listening"
    )

    threads: Annotated[int, Whole(1, 4096)] = setting(
        4, "Threads that may be inside the application at once.", "Server"
    )
    queue_size: Annotated[int, Whole(0)] = setting(
        0, "Requests that may wait for a thread; one more is answered 503. 0 is no bound.", "Server"
    )
    queue_timeout: Annotated[float, Duration()] = setting(
        0.0, "Longest wait of a request for a thread; after it the answer is 503.", "Server"
    )
    request_timeout: Annotated[float, Duration()] = setting(
        60.0, "Time after which a request that is still running is logged with its thread's stack.", "Server"
    )
    graceful_timeout: Annotated[float, Duration()] = setting(
        30.0, "Time that requests in flight get to finish when the server stops.", "Server"
    )
    ident: Annotated[str, Identity()] = setting(
        "wiverno", "The Server header of responses; empty leaves it out.", "Server"
    )
    server_name: Annotated[str, Text(r"[^\s/]+", "a host name", samples=("www.example.org",))] = setting(
        "wiverno.invalid", "SERVER_NAME where the request names no host.", "Server"
    )

    channel_timeout: Annotated[float, Duration()] = setting(
        120.0, "Time after which a connection without traffic and without a request is closed.", "Connections"
    )
    header_timeout: Annotated[float, Duration()] = setting(
        30.0, "Time in which the head of a request must arrive, counted from its first byte.", "Connections"
    )
    body_timeout: Annotated[float, Duration()] = setting(
        60.0, "Longest pause while the body of a request arrives.", "Connections"
    )
    body_min_rate: Annotated[int, Size()] = setting(
        100,
        "Bytes a second that a request's body must bring on average, once body_timeout has passed; 0 is any.",
        "Connections",
    )
    cleanup_interval: Annotated[float, Duration(zero="")] = setting(
        30.0, "How often idle connections are looked for.", "Connections"
    )
    channel_request_lookahead: Annotated[int, Whole(0)] = setting(
        0,
        "Requests read ahead on a connection while one runs; more than 0 also notices clients that have gone.",
        "Connections",
    )
    log_socket_errors: Annotated[bool, Flag()] = setting(True, "Log clients that disconnect early.", "Connections")

    max_request_header_size: Annotated[int, Size(1)] = setting(
        262144, "Size at which a request's line and headers together are refused with 431.", "Limits"
    )
    max_request_body_size: Annotated[int, Size()] = setting(
        1073741824, "Size at which a request's body is refused with 413.", "Limits"
    )
    max_header_count: Annotated[int, Whole(1)] = setting(
        100, "Header fields that a request may have; more are refused with 431.", "Limits"
    )
    max_request_line_size: Annotated[int, Size(1)] = setting(
        16384, "Size past which a request line is refused with 414.", "Limits"
    )

    recv_bytes: Annotated[int, Size(1)] = setting(8192, "Bytes asked of a socket at once.", "Buffers")
    inbuf_overflow: Annotated[int, Size()] = setting(
        524288, "Request body past which it goes to a temporary file.", "Buffers"
    )
    outbuf_overflow: Annotated[int, Size()] = setting(
        1048576, "Unsent output past which it goes to a temporary file.", "Buffers"
    )
    outbuf_high_watermark: Annotated[int, Size()] = setting(
        16777216, "Unsent output at which the application waits until the client has taken some.", "Buffers"
    )

    trusted_proxy: Annotated[
        str | None,
        Text(form="the IP address of a proxy, localhost (Unix sockets) or *", optional=True, samples=("127.0.0.1",)),
    ] = setting(
        None,
        "Peer whose proxy headers are believed: an IP address, localhost for Unix sockets, or * for every peer.",
        "Proxy",
    )
    trusted_proxies: Annotated[tuple[Network, ...], Networks()] = setting(
        (), "Networks whose hosts' proxy headers are believed, beside trusted_proxy.", "Proxy"
    )
    trusted_proxy_count: Annotated[int, Whole(1)] = setting(
        1, "How many proxies, counted from this server outwards, are believed.", "Proxy"
    )
    proxy_protocol: Annotated[bool, Flag()] = setting(
        False,
        "Expect the PROXY protocol (version 1 or 2) at the start of each connection from a trusted proxy.",
        "Proxy",
    )
    trusted_proxy_headers: Annotated[frozenset[str], WordSet(rules.PROXY_HEADERS)] = setting(
        frozenset(),
        "Headers believed from a trusted proxy: forwarded, or any of the x-forwarded ones.",
        "Proxy",
        otherwise=_trusted_by_default,
    )
    clear_untrusted_proxy_headers: Annotated[bool, Flag()] = setting(
        True, "Keep proxy headers that are not believed from the application.", "Proxy"
    )
    log_untrusted_proxy_headers: Annotated[bool, Flag()] = setting(
        False, "Log proxy headers that were not believed.", "Proxy"
    )

    url_scheme: Annotated[
        str, Text(r"[A-Za-z][A-Za-z0-9+.-]*", "a URL scheme such as http or https", samples=("https",))
    ] = setting("http", "Scheme of the URLs that the application builds (wsgi.url_scheme).", "Application")
    url_prefix: Annotated[str, Prefix(samples=("/app",))] = setting(
        "", "Path under which the application is mounted (SCRIPT_NAME).", "Application"
    )
    expose_tracebacks: Annotated[bool, Flag()] = setting(
        False, "Put the traceback into the body of a 500 response. For development only.", "Application"
    )

    send_bytes: Annotated[int, Size()] = setting(
        1, "Accepted for waitress's sake; does nothing.", "Compatibility", inert=True
    )
    asyncore_loop_timeout: Annotated[float, Duration(zero="")] = setting(
        1.0, "Accepted for waitress's sake; does nothing.", "Compatibility", inert=True
    )
    asyncore_use_poll: Annotated[bool, Flag()] = setting(
        False, "Accepted for waitress's sake; does nothing.", "Compatibility", inert=True
    )

    def __init__(self, **values: Any) -> None:
        given, faults = _canonical(values)
        faults += rules.conflicts(given)
        try:
            super().__init__(**given)
        except ValidationError as error:
            faults += _faults(error, values)
        else:
            faults += rules.contradictions(self)
        if faults:
            raise ConfigError(faults)

    @classmethod
    def from_keywords(cls, **values: Any) -> Self:
        """Return settings from the keywords of `serve()` and its like: text as INI files give it, or native values.

        None leaves a setting at its default, except where waitress gives None a meaning (`ident=None` omits the header).

        Warns:
            DeprecationWarning: settings that do nothing, and trusted_proxy without trusted_proxy_headers.

        Raises:
            ConfigError: see the class.
        """
        made = cls(**values)
        for text in made.deprecations():
            warnings.warn(text, DeprecationWarning, stacklevel=3)
        return made

    def deprecations(self) -> list[str]:
        """Return what was set but should not be any more, one sentence each."""
        return rules.deprecations(self, [name for name, entry in SETTINGS.items() if entry.inert])

    @property
    def request_queue_size(self) -> int:
        """The backlog under RunServer's name for it."""
        return self.backlog

    @property
    def addresses(self) -> tuple[units.Address, ...]:
        """The addresses to listen on, from listen, unix_socket, or host and port; none if sockets were handed over."""
        if self.sockets:
            return ()
        if self.listen:
            return tuple(dict.fromkeys(units.read_address(word, self.port) for word in self.listen))
        if self.unix_socket:
            return (units.UnixAddress(self.unix_socket),)
        return (units.TcpAddress(units.read_host(self.host), self.port),)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as data: what options, help, schema and documentation are made from."""

    name: str
    kind: Kind
    default: Any
    simple_default: Any
    meaning: str
    group: str
    aliases: tuple[str, ...]
    secret: bool
    inert: bool
    code_only: bool

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"WIVERNO_{self.name.upper()}"

    @property
    def option(self) -> str:
        """The command-line option that sets it."""
        return "--" + self.name.replace("_", "-")

    @property
    def default_text(self) -> str:
        """The default in words; both where it differs by mode."""
        text = self.kind.text(self.default)
        return (
            text
            if self.simple_default == self.default
            else f"{text}; {self.kind.text(self.simple_default)} in mode simple"
        )


def _described(name: str, info: FieldInfo) -> Setting:
    kind = next(item for item in info.metadata if isinstance(item, Kind))
    about = info.json_schema_extra
    assert isinstance(about, dict)
    more: dict[str, Any] = dict(about)
    return Setting(
        name, kind, more["default"], more["simple"], info.description or "", more["group"],
        more["aliases"], more["secret"], more["inert"], more["code_only"],
    )  # fmt: skip


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {name: _described(name, info) for name, info in Adjustments.model_fields.items()}
)
ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: entry.name for entry in SETTINGS.values() for alias in entry.aliases}
)


def unknown_setting(name: str, origin: Origin) -> Problem:
    """Return the problem of a name that is no setting."""
    return Problem("unknown setting", origin, name, hint=did_you_mean(name, [*SETTINGS, *ALIASES]), about="key")


def _canonical(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values under their settings' own names, without what is unset, and what is wrong with the names."""
    given: dict[str, Any] = {}
    faults: list[Problem] = []
    for key, value in values.items():
        name = ALIASES.get(key, key)
        if name not in SETTINGS:
            faults.append(unknown_setting(key, Origin("keyword", text=key)))
        elif name in given:
            faults.append(rules.problem(key, f"is the same setting as {name}, which is set as well"))
        elif value is not None or name == "ident":
            given[name] = value
    return given, faults


def _faults(error: ValidationError, values: Mapping[str, Any]) -> list[Problem]:
    """Return pydantic's findings as problems, each with the value as it was given and under the name it was given."""
    found = []
    for item in error.errors():
        reason = item.get("ctx", {}).get("error")
        if not isinstance(reason, BadValue):
            # A default could not be made because a setting above it is wrong: that one is reported.
            continue
        name = str(item["loc"][0])
        key = name if name in values else next(alias for alias in SETTINGS[name].aliases if alias in values)
        origin = Origin("keyword", text=key)
        secret = SETTINGS[name].secret
        found.append(Problem(reason.message, origin, key, values[key], reason.hint, secret=secret))
    return found
