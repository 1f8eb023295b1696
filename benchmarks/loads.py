"""The loads of the specification: which application, which requests, how many connections, which servers.

A load is measured over its contenders. Usually a contender is a server; for the access log it is a server with and
without the log, for the frameworks an application under one and the same server.
"""

from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.apps import GREETING, MEBIBYTE
from benchmarks.framework_apps import FRAMEWORKS
from benchmarks.framework_pages import FRAMEWORKS as PAGE_FRAMEWORKS
from benchmarks.framework_pages import GREETING_PATH, PAGE_LENGTH, PAGE_PATH

THREADED = (
    "wiverno-16",
    "waitress-4",
    "waitress-16",
    "gunicorn-gthread",
    "granian-1",
    "granian-16",
    "cheroot",
    "uwsgi",
)
EVERY_SERVER = (
    "runserver",
    "wiverno-4",
    "wiverno-16",
    "waitress-4",
    "waitress-16",
    "gunicorn-sync",
    "gunicorn-gthread",
    "granian-1",
    "granian-16",
    "cheroot",
    "uwsgi",
    "bjoern",
    "fastwsgi",
)
BEST_OF_EACH = (
    "wiverno-16",
    "waitress-4",
    "gunicorn-gthread",
    "granian-16",
    "cheroot",
    "uwsgi",
    "bjoern",
    "fastwsgi",
)
"""One configuration of each peer: sixteen loads with all configurations would take an hour more."""
IDLE_CONNECTIONS = 10_000
FEW_ROUTES, MANY_ROUTES = 10, 10_000


@dataclass(frozen=True, slots=True)
class Contender:
    """One bar of a plot: a server and what it serves.

    Attributes:
        name: unique within its load.
        server: name of the server.
        application: "module:attribute".
        is_logging: whether the server writes its access log.
        arguments: handed to the wrk script.
    """

    name: str
    server: str
    application: str
    is_logging: bool = False
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """One table of the report.

    Attributes:
        name: what `--only` calls it.
        title: heading.
        meaning: one sentence under the heading.
        contenders: in the order of the table.
        connections: wrk's concurrent connections.
        script: file under lua/.
        path: requested path (scripts may vary it).
        sends: bytes of request body; 0 means GET.
        answer: the body that every server must answer to be measured; None when only its length is fixed.
        answer_length: bytes of the answer where it is not spelled out.
        is_closing: whether every request asks for `Connection: close`.
        is_secure: whether the connections speak TLS.
        streams: concurrent HTTP/2 streams of each connection, driven by h2load; 0 for HTTP/1.1 and wrk.
        kind: how it is measured.
        is_timed: whether the application times itself, so that the server's share of the CPU time is known.
        thoroughness: so many times the rounds; more than 1 for a quotient close to its bound, which noise would hide.
    """

    name: str
    title: str
    meaning: str
    contenders: tuple[Contender, ...]
    connections: int = 64
    script: str = "plain.lua"
    path: str = "/"
    sends: int = 0
    answer: bytes | None = GREETING
    answer_length: int = 0
    is_closing: bool = False
    is_secure: bool = False
    streams: int = 0
    kind: Literal["rate", "idle"] = "rate"
    is_timed: bool = False
    thoroughness: int = 1

    def rounds_of(self, rounds: int) -> int:
        """How many rounds this load gets in a run of so many."""
        return rounds * self.thoroughness


def _servers(names: tuple[str, ...], application: str) -> tuple[Contender, ...]:
    return tuple(Contender(name, name, f"benchmarks.apps:{application}") for name in names)


def _framework(label: str, routes: int, server: str, *, script_needs_routes: bool) -> Contender:
    name = f"{label}, {routes:,} routes" if script_needs_routes else label
    arguments = (str(routes),) if script_needs_routes else ()
    return Contender(name, server, f"benchmarks.framework_apps:{label}_{routes}", arguments=arguments)


def all_loads(framework_server: str = "wiverno-16", extra: tuple[str, ...] = ()) -> tuple[Load, ...]:
    """Every load.

    Args:
        framework_server: the server under the frameworks.
        extra: names of further servers that take part wherever bodies are not needed.
    """
    every = EVERY_SERVER + extra
    threaded = THREADED + tuple(name for name in extra if not name.endswith("-1"))
    return (
        Load(
            "hello",
            "Hello",
            "64 keep-alive connections, a fixed short answer.",
            _servers(every, "hello"),
            thoroughness=3,
        ),
        Load(
            "browser",
            "A browser's request",
            "64 keep-alive connections, 12 headers, path and cookie differ from request to request.",
            _servers(every, "hello"),
            script="browser.lua",
        ),
        Load(
            "close",
            "A connection for every request",
            "64 at a time, `Connection: close`.",
            _servers(every, "hello"),
            script="close.lua",
            is_closing=True,
        ),
        Load(
            "blocking",
            "Ten milliseconds of waiting",
            "16 connections; each application call sleeps 10 ms. 16 threads can answer 1,600 a second at most.",
            _servers((*threaded, "bjoern"), "blocking"),
            connections=16,
        ),
        Load(
            "mixed",
            "Every 20th request waits",
            "32 connections; every 20th request sleeps 10 ms, the others answer at once.",
            _servers((*threaded, "bjoern"), "mixed"),
            connections=32,
            script="mixed.lua",
        ),
        Load(
            "mixed-64",
            "Every 20th request waits, more clients than threads",
            "64 connections; otherwise the same. 16 threads can answer 32,000 a second at most.",
            _servers(("wiverno-16", "wiverno-16-64", *threaded[1:]), "mixed"),
            script="mixed.lua",
        ),
        *_cpu_loads(("wiverno-1", *every)),
        Load(
            "download",
            "1 MiB down",
            "16 connections; the answer is 1 MiB from memory.",
            _servers(EVERY_SERVER, "download"),
            connections=16,
            answer=None,
            answer_length=len(MEBIBYTE),
        ),
        Load(
            "upload",
            "1 MiB up",
            "16 connections; the application reads the 1 MiB body in 64 KiB pieces and answers its length.",
            _servers(EVERY_SERVER, "upload"),
            connections=16,
            script="upload.lua",
            sends=len(MEBIBYTE),
            answer=b"%d\n" % len(MEBIBYTE),
        ),
        *_framework_loads(),
        *_special_loads(framework_server),
        *_tls_loads(),
        *_http2_loads(),
    )


def _cpu_loads(names: tuple[str, ...]) -> tuple[Load, ...]:
    """Calls that compute in Python and time themselves."""
    computes = (
        "16 connections; each call computes for about {} ms in Python. The application counts its loop's CPU time."
    )

    def load(name: str, title: str, milliseconds: str, application: str, answer: bytes) -> Load:
        contenders = _servers(names, application)
        meaning = computes.format(milliseconds)
        return Load(name, title, meaning, contenders, connections=16, answer=answer, is_timed=True)

    return (
        load("cpu", "CPU-bound, 2 ms", "2", "cpu_bound", b"140000\n"),
        load("cpu-short", "CPU-bound, 0.4 ms", "0.4", "cpu_short", b"28000\n"),
    )


def _framework_loads() -> tuple[Load, ...]:
    """A greeting and a page of 10 kB in each framework, with one header and with a browser's, under every peer."""
    found = []
    for framework in PAGE_FRAMEWORKS:
        title = framework.capitalize()
        application = f"benchmarks.framework_pages:{framework}_app"
        plain = tuple(Contender(name, name, application) for name in BEST_OF_EACH)
        greets = tuple(Contender(name, name, application, arguments=(GREETING_PATH,)) for name in BEST_OF_EACH)
        page: dict[str, Any] = {"path": f"{PAGE_PATH}1", "answer": None, "answer_length": PAGE_LENGTH}
        browser: dict[str, Any] = {"script": "browser.lua"}
        kept = "64 keep-alive connections"
        says, shows = f"{kept}, a short answer", f"{kept}, a page of 10 kB from a template"
        sent = "path, query string and cookie differ from request to request, 12 headers."
        found += [
            Load(framework, f"{title}: hello", f"{says}.", plain),
            Load(f"{framework}-browser", f"{title}: hello to a browser", f"{says}; {sent}", greets, **browser),
            Load(f"{framework}-page", f"{title}: a page", f"{shows}.", plain, **page),
            Load(
                f"{framework}-page-browser",
                f"{title}: a page to a browser",
                f"{shows}; {sent}",
                plain,
                **page,
                **browser,
            ),
        ]
    return tuple(found)


def _tls_loads() -> tuple[Load, ...]:
    """HTTP/1.1 over TLS."""
    names = ("wiverno-4", "wiverno-16", "gunicorn-gthread", "granian-16", "cheroot")
    return (
        Load(
            "tls",
            "TLS",
            "Hello with 64 keep-alive connections over TLS 1.3.",
            _servers(names, "hello"),
            is_secure=True,
        ),
        Load(
            "tls-download",
            "1 MiB down over TLS",
            "16 connections over TLS 1.3; the answer is 1 MiB from memory.",
            _servers(names, "download"),
            connections=16,
            answer=None,
            answer_length=len(MEBIBYTE),
            is_secure=True,
        ),
    )


def _http2_loads() -> tuple[Load, ...]:
    """HTTP/2 over TLS, driven by h2load: every server of the table that speaks it."""
    names = ("wiverno-http2", "granian-http2", "gunicorn-http2", "hypercorn-http2")

    def load(name: str, title: str, meaning: str, application: str, streams: int, **more: Any) -> Load:
        contenders = tuple(Contender(server, server, f"benchmarks.apps:{application}") for server in names)
        common: dict[str, Any] = {"connections": 16, "streams": streams, "is_secure": True}
        return Load(name, title, meaning, contenders, **common, **more)

    browser = "16 connections × 16 streams, 12 fields of a browser, 1,000 paths in turn; the cookie alone is constant."
    length = len(MEBIBYTE)
    down: dict[str, Any] = {"answer": None, "answer_length": length}
    up: dict[str, Any] = {"sends": length, "answer": b"%d\n" % length}
    return (
        load("h2-1", "HTTP/2: hello, 1 stream", "16 connections × 1 stream, over TLS.", "hello", 1),
        load("h2-16", "HTTP/2: hello, 16 streams", "16 connections × 16 streams, over TLS.", "hello", 16),
        load("h2-browser", "HTTP/2: a browser's request", browser, "hello", 16),
        load("h2-download", "HTTP/2: 1 MiB down", "16 connections × 1 stream, over TLS.", "download", 1, **down),
        load("h2-upload", "HTTP/2: 1 MiB up", "16 connections × 1 stream, over TLS.", "upload", 1, **up),
    )


def _special_loads(framework_server: str) -> tuple[Load, ...]:
    """Loads whose contenders are not simply all servers."""
    hello = "benchmarks.apps:hello"
    idle = ("wiverno-16", "waitress-4", "gunicorn-gthread", "granian-16", "cheroot", "bjoern")
    return (
        Load(
            "idle",
            "10,000 idle connections",
            "Memory of the server's processes for each idle keep-alive connection, and the hello rate beside them.",
            _servers(idle, "hello"),
            kind="idle",
        ),
        Load(
            "access-log",
            "Access log",
            "Hello with 64 keep-alive connections, without and with an access log in a file.",
            (
                Contender("log off", framework_server, hello),
                Contender("log on", framework_server, hello, is_logging=True),
            ),
            thoroughness=3,
        ),
        Load(
            "frameworks",
            "Frameworks",
            "The same greeting through each framework, under the same server, 64 keep-alive connections.",
            tuple(_framework(label, FEW_ROUTES, framework_server, script_needs_routes=False) for label in FRAMEWORKS),
        ),
        Load(
            "routes",
            "Ten routes and ten thousand",
            "Requests spread over all routes of the application, each with one integer parameter. Bottle builds its "
            "table again for each route and does not finish 10,000 within a minute: it is measured with ten only.",
            tuple(
                _framework(label, routes, framework_server, script_needs_routes=True)
                for label in FRAMEWORKS
                if label != "bare"
                for routes in ((FEW_ROUTES,) if label == "bottle" else (FEW_ROUTES, MANY_ROUTES))
            ),
            script="routes.lua",
            path="/section0/item/1",
            answer=b"1\n",
        ),
    )


QUICK = ("hello", "browser")
