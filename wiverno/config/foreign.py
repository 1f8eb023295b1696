"""What gunicorn's settings are called here, and which have no counterpart and why.

waitress needs no such table: its names are wiverno's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_PROCESS = "wiverno has no such setting yet; the service manager can do it"

# gunicorn's name → ours, with a note where it does not mean quite the same.
_GUNICORN_NAMES: Mapping[str, tuple[str, str]] = {
    "bind": ("listen", ""),
    "backlog": ("backlog", ""),
    "timeout": ("request_timeout", "gunicorn kills a silent worker after it; here the slow request is logged"),
    "keepalive": ("channel_timeout", ""),
    "graceful_timeout": ("graceful_timeout", ""),
    "limit_request_line": ("max_request_line_size", ""),
    "limit_request_fields": ("max_header_count", ""),
    "forwarded_allow_ips": ("trusted_proxy", ""),
    "proxy_protocol": ("proxy_protocol", ""),
    "worker_connections": ("connection_limit", ""),
}

# gunicorn's settings without a counterpart, with the reason.
_GUNICORN_DROPPED: Mapping[str, str] = {
    "worker_class": "wiverno has one engine: threads, or mode = simple",
    "limit_request_field_size": "wiverno limits the whole head: max_request_header_size",
    "preload_app": _PROCESS,
    "max_requests": _PROCESS,
    "max_requests_jitter": _PROCESS,
    "daemon": _PROCESS,
    "pidfile": _PROCESS,
    "user": _PROCESS,
    "group": _PROCESS,
    "umask": _PROCESS,
    "chdir": "start wiverno in that directory",
    "raw_env": "set the environment before the start",
    "reload": "wiverno run dev reloads",
    "loglevel": "set the level under [logging.root]",
    "accesslog": "wiverno has no access log yet",
    "errorlog": "set a handler under [logging]",
    "logconfig": "write [logging]",
    "logconfig_dict": "write [logging]",
    "certfile": "wiverno has no TLS yet; put a proxy in front",
    "keyfile": "wiverno has no TLS yet; put a proxy in front",
    "proc_name": "wiverno does not rename its process",
    "worker_tmp_dir": "wiverno's workers write no heartbeat files",
    "paste": 'name the INI file\'s application: [app] use = "config:FILE"',
}
_GUNICORN_HOOKS = (
    "on_starting", "on_reload", "when_ready", "pre_fork", "post_fork", "post_worker_init", "worker_int", "worker_abort",
    "pre_exec", "pre_request", "post_request", "child_exit", "worker_exit", "nworkers_changed", "on_exit",
    "ssl_context",
)  # fmt: skip

GUNICORN = frozenset((*_GUNICORN_NAMES, *_GUNICORN_DROPPED, *_GUNICORN_HOOKS, "threads", "workers", "wsgi_app"))


@dataclass
class Translated:
    """Another server's settings under our names, each with the name it came from; notes are (their name, reason)."""

    settings: dict[str, tuple[object, str]] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)
    app: str | None = None


def from_gunicorn(values: Mapping[str, object]) -> Translated:
    """Return gunicorn's settings translated; unknown names get a note as well."""
    result = Translated()
    for key, value in values.items():
        if key in _GUNICORN_NAMES:
            name, note = _GUNICORN_NAMES[key]
            result.settings[name] = (_GUNICORN_VALUES.get(key, _same)(value), key)
            if note:
                result.notes.append((key, note))
        elif key == "wsgi_app":
            result.app = str(value)
        elif key in _GUNICORN_HOOKS:
            result.notes.append((key, "wiverno calls no hooks"))
        elif key not in ("threads", "workers"):
            result.notes.append((key, _GUNICORN_DROPPED.get(key, "wiverno has no such setting")))
    _threads(values, result)
    _trust(result)
    return result


def _threads(values: Mapping[str, object], result: Translated) -> None:
    """Carry workers × threads as threads: one process serves as many requests at once."""
    used = [key for key in ("workers", "threads") if key in values]
    if not used:
        return
    try:
        counts = [int(str(values[key])) for key in used]
    except ValueError:
        result.notes.append((used[0], "is no number"))
        return
    product = 1
    for count in counts:
        product *= max(count, 1)
    result.settings["threads"] = (product, used[-1])
    if "workers" in used and counts[0] > 1:
        result.notes.append(("workers", "became threads of one process"))


def _trust(result: Translated) -> None:
    """Name the headers that gunicorn believes of a proxy, which wiverno wants named."""
    if "trusted_proxy" not in result.settings:
        return
    value, key = result.settings["trusted_proxy"]
    if value is None:
        del result.settings["trusted_proxy"]
        return
    if isinstance(value, list):
        del result.settings["trusted_proxy"]
        result.settings["trusted_proxies"] = (value, key)
    result.settings["trusted_proxy_headers"] = (["x-forwarded-proto"], key)


def _same(value: object) -> object:
    return value


def _addresses(value: object) -> object:
    words = value if isinstance(value, list | tuple) else str(value).replace(",", " ").split()
    return [f"fd:{word[5:]}" if word.startswith("fd://") else word for word in words]


def _peers(value: object) -> object:
    words = [word for word in str(value).replace(",", " ").split() if word]
    if not words:
        return None
    return words[0] if len(words) == 1 else words


_GUNICORN_VALUES: Mapping[str, Callable[[object], object]] = {"bind": _addresses, "forwarded_allow_ips": _peers}
