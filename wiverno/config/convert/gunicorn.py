"""Names of other servers' settings in wiverno, and the reason for each that has no counterpart.

gunicorn has a table for both; of servers in a PasteDeploy section only the names that mean the same in all of them are
known. waitress needs no table: its names are wiverno's.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wiverno.config.convert.logs import file_logging, translate_dict_config, translate_format
from wiverno.config.fields.tables import other_hook
from wiverno.config.formats.interpolation import is_expandable, unescape
from wiverno.config.settings import SETTINGS

# gunicorn's name → wiverno's, with a note if the meaning differs. A name that wiverno does not have gets a note.
_NAMES: Mapping[str, tuple[str, str]] = {
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
    "workers": ("workers", ""),
    "preload_app": ("preload", ""),
    "max_requests": ("max_requests", ""),
    "max_requests_jitter": ("max_requests_jitter", ""),
    "pidfile": ("pid_file", ""),
    "user": ("user", ""),
    "group": ("group", ""),
    "umask": ("umask", ""),
    "certfile": ("certfile", ""),
    "keyfile": ("keyfile", ""),
    "ca_certs": ("ca_certs", ""),
    "accesslog": ("access_log", ""),
    "chdir": ("chdir", ""),
    "pythonpath": ("pythonpath", ""),
    "raw_env": ("env", ""),
    "loglevel": ("log_level", ""),
    "http_protocols": ("http2", ""),
}

# gunicorn's settings without a counterpart, with the reason.
_DROPPED: Mapping[str, str] = {
    "daemon": "wiverno stays in the foreground; the service manager puts it into the background",
    "reload": "wiverno run dev reloads",
    "logconfig": "write [logging]",
    "proc_name": "wiverno does not rename its process",
    "worker_tmp_dir": "wiverno's workers write no heartbeat files",
    "logconfig_json": "write [logging]",
    "logger_class": "set handlers and formatters under [logging]",
    "proxy_allow_ips": "name the proxies: trusted_proxies",
    "secure_scheme_headers": "name the headers: trusted_proxy_headers",
    "reload_extra_files": "wiverno run dev reloads",
    "reload_engine": "wiverno run dev reloads",
    "tmp_upload_dir": "set TMPDIR before the start",
    "capture_output": "what the application prints stays on standard output and error",
    "enable_stdio_inheritance": "what the application prints stays on standard output and error",
    "http2_cleartext": "with http2 trusted_proxies and Unix sockets may speak it in clear, by prior knowledge",
    "http2_max_concurrent_streams": "is 100 here",
    "http2_initial_window_size": "is 256 KiB here",
    "http2_max_frame_size": "is 16 KiB here",
    "http2_max_header_list_size": "max_request_header_size is the limit",
    "config": "convert that file too",
    "ssl_version": "name the oldest version of TLS: tls_min_version",
    "cert_reqs": "client_cert is none, optional or required",
    "paste": 'name the INI file\'s application: [app] use = "config:FILE"',
}
_HOOKS = (
    "on_starting", "on_reload", "when_ready", "pre_fork", "post_fork", "post_worker_init", "worker_int", "worker_abort",
    "pre_exec", "pre_request", "post_request", "child_exit", "worker_exit", "nworkers_changed", "on_exit",
    "ssl_context",
)  # fmt: skip

# The names in [server:…] sections of Paste's own server, of CherryPy's, wsgiref's and others. The rest gets a note.
_PASTE_SERVERS: Mapping[str, str] = {
    "host": "host",
    "port": "port",
    "numthreads": "threads",
    "threads": "threads",
    "threadpool_workers": "threads",
    "request_queue_size": "backlog",
    "backlog": "backlog",
    "socket_timeout": "channel_timeout",
    "ssl_certificate": "certfile",
    "ssl_private_key": "keyfile",
}
_PASTE_DROPPED: Mapping[str, str] = {
    "ssl_pem": "name the certificate and the key: certfile, keyfile",
    "use_threadpool": "wiverno always has threads: threads",
    "daemon_threads": "wiverno waits for its threads: graceful_timeout",
}

# The rest of gunicorn's settings, as of 27.0; they get a note without a reason.
_OTHERS = (
    "asgi_disconnect_grace_period", "asgi_lifespan", "asgi_loop", "casefold_http_method",
    "check_config", "ciphers", "control_socket", "control_socket_disable", "control_socket_mode",
    "default_proc_name", "dirty_apps", "dirty_graceful_timeout", "dirty_post_fork", "dirty_threads",
    "dirty_timeout", "dirty_worker_exit", "dirty_worker_init", "dirty_workers", "disable_redirect_access_to_syslog",
    "do_handshake_on_connect", "dogstatsd_tags", "enable_backlog_metric", "forwarder_headers", "header_map",
    "http_parser", "initgroups", "on_dirty_starting",
    "permit_obsolete_folding", "permit_unconventional_http_method", "permit_unconventional_http_version",
    "print_config", "protocol", "raw_paste_global_conf", "reuse_port", "root_path", "sendfile", "spew",
    "statsd_host", "statsd_prefix", "strip_header_spaces", "suppress_ragged_eofs", "syslog",
    "syslog_addr", "syslog_facility", "syslog_prefix", "uwsgi_allow_ips", "websocket_max_message_size",
)  # fmt: skip

# Settings of both tables that are off unless they are set: nothing is lost of one that is False.
_OFF_BY_DEFAULT = frozenset((
    "daemon", "reload", "spew", "check_config", "print_config", "initgroups", "capture_output", "syslog",
    "casefold_http_method", "enable_stdio_inheritance", "reuse_port", "strip_header_spaces", "do_handshake_on_connect",
    "disable_redirect_access_to_syslog", "permit_obsolete_folding", "permit_unconventional_http_method",
    "permit_unconventional_http_version", "enable_backlog_metric",
))  # fmt: skip

_SPECIAL_KEYS = (
    "threads", "wsgi_app", "worker_class", "errorlog", "access_log_format", "logconfig_dict",
    "limit_request_field_size",
)  # fmt: skip

GUNICORN = frozenset((*_NAMES, *_DROPPED, *_HOOKS, *_OTHERS, *_SPECIAL_KEYS))

# Values with another meaning in gunicorn: (value here, note); None leaves the setting out.
_SPECIAL: Mapping[tuple[str, object], tuple[object, str]] = {
    ("limit_request_line", 0): ("256KiB", "0 is no limit there; here max_request_header_size bounds the whole head"),
    ("limit_request_fields", 0): (32768, "0 is gunicorn's highest number, 32768"),
    ("keepalive", 0): (None, "0 closes each connection after its response; here 0 would keep it for ever"),
    ("backlog", 0): (None, "0 is the system's least backlog; here it is at least 1"),
    ("threads", 0): (1, ""),
}


@dataclass
class Translated:
    """Another server's settings by wiverno's names.

    Attributes:
        settings: each with its original name.
        notes: (original name, what to do) of what is left out.
        remarks: (original name, what is different) of what is carried.
        app: the application.
        is_factory: the application's name is a function that makes it.
        logging: the table [logging].
    """

    settings: dict[str, tuple[object, str]] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    app: str | None = None
    is_factory: bool = False
    logging: dict[str, Any] | None = None


def from_gunicorn(values: Mapping[str, object]) -> Translated:
    """Return gunicorn's settings translated; one without a counterpart gets a note."""
    result = Translated()
    for key, given in values.items():
        if given is None:
            continue  # gunicorn's "not set"
        name, remark = _NAMES.get(key, ("", ""))
        value, special = _convert_special(key, given)
        if name in SETTINGS:
            if value is not None:
                result.settings[name] = (_VALUES.get(key, _same)(value), key)
            if special:
                (result.notes if value is None else result.remarks).append((key, special))
            elif remark:
                result.remarks.append((key, remark))
        elif key in _HOOKS:
            result.notes.append((key, other_hook(key) or _describe_hook(key)))
        elif given is False and key in _OFF_BY_DEFAULT:
            continue
        elif key not in _SPECIAL_KEYS:
            result.notes.append((key, _DROPPED.get(key, "wiverno has no such setting")))
    if "wsgi_app" in values:
        name_application(str(values["wsgi_app"]), "wsgi_app", result)
    _convert_threads(values, result)
    _convert_logs(values, result)
    _convert_trust(result)
    if "max_requests" not in result.settings:
        result.settings.pop("max_requests_jitter", None)  # it has no meaning alone
    return result


def _describe_hook(key: str) -> str:
    return f'put the function into a module, such as hooks.py, and name it: [server.hooks] {key} = "hooks:{key}"'


def name_application(text: str, key: str, result: Translated) -> None:
    """Set the application of gunicorn's `module`, `module:name` or `module:make_app()`; `text` is TOML's."""
    module, _, name = text.strip().partition(":")
    call, bracket, arguments = name.partition("(")
    if bracket and arguments.rstrip(") "):
        result.notes.append((key, f"its arguments are written in [app.settings], by name: {name}"))
    result.app = f"{module}:{call or 'application'}"
    result.is_factory = bool(bracket)


def find_setting(key: str) -> str:
    """Return wiverno's name of one of gunicorn's settings; "" if there is none, or if the name is not gunicorn's."""
    name, _ = _NAMES.get(key, ("", ""))
    return name if name in SETTINGS else ""


def describe_left(key: str) -> str:
    """Return what to do about a setting that is left out whatever its value is; "" if its value matters."""
    return _DROPPED.get(key, "" if key not in _OTHERS else "wiverno has no such setting")


def start_in_chdir(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings whose relative paths start in `chdir`, as gunicorn's do; wiverno's start elsewhere."""
    home = str(table["chdir"])
    found = dict(table)
    for name in ("pid_file", "access_log", "certfile", "keyfile", "ca_certs"):
        if name in found and found[name] not in ("-", "logging") and not str(found[name]).startswith(("/", "${")):
            found[name] = posixpath.join(home, str(found[name]))
    words = [str(word) for word in found.get("listen", [])]
    found |= {"listen": [_in_directory(word, home) for word in words]} if words else {}
    return found


def _in_directory(address: str, home: str) -> str:
    path = address.removeprefix("unix:")
    return f"unix:{posixpath.join(home, path)}" if path != address and not path.startswith("$") else address


def is_hook(key: str) -> bool:
    """Return whether this name is one of gunicorn's hooks."""
    return key in _HOOKS


def _convert_special(key: str, value: object) -> tuple[object, str]:
    """Return the value for one with another meaning in gunicorn, and a note about it."""
    if key == "http_protocols":
        protocols = value if isinstance(value, list | tuple) else str(value).replace(" ", "").split(",")
        return (True, "needs the extra: pip install 'wiverno[http2]>=2'") if "h2" in protocols else (None, "")
    text = str(value).strip()
    number = int(text) if text.isdigit() and not isinstance(value, bool) else None
    return _SPECIAL.get((key, number), (value, "")) if number is not None else (value, "")


def merge_bind(values: Mapping[str, object]) -> dict[str, object]:
    """Return the keys of gunicorn's section in a PasteDeploy file with host and port as bind."""
    found = {key: value for key, value in values.items() if key not in ("host", "port")}
    host, port = values.get("host"), values.get("port")
    if host:
        found["bind"] = f"{host}:{port}" if port else host
    return found


def from_paste_server(values: Mapping[str, object]) -> Translated:
    """Return the settings of a server's section of PasteDeploy; each that may differ in meaning gets a note."""
    result = Translated()
    for key, value in values.items():
        if key in _PASTE_SERVERS:
            result.settings[_PASTE_SERVERS[key]] = (value, key)
        else:
            result.notes.append((key, _PASTE_DROPPED.get(key, "is the other server's own setting")))
    return result


_NOT_WSGI = ("uvicorn", "asgi", "aiohttp", "hypercorn", "sanic", "tornado")
_GREENLETS = ("gevent", "eventlet", "geventwebsocket", "meinheld")


def _convert_threads(values: Mapping[str, object], result: Translated) -> None:
    """Convert threads and the kind of worker: one of gunicorn has one thread by default, one of wiverno four."""
    kind = str(values.get("worker_class", "")).lower()
    if any(word in kind for word in _NOT_WSGI):
        result.notes.append(("worker_class", f"{kind} serves ASGI; wiverno serves WSGI applications only"))
    elif any(word in kind for word in _GREENLETS):
        words = "there are no greenlets: each request that waits takes a thread, so set threads to what waits at once"
        result.notes.append(("worker_class", words))
    elif kind not in ("", "sync", "gthread"):
        result.notes.append(
            ("worker_class", f"{kind} has no counterpart; wiverno has one kind of worker, with threads")
        )
    given = values.get("threads")
    if given is None:
        return
    if is_expandable(given):
        result.settings["threads"] = (given, "threads")
        return
    try:
        result.settings["threads"] = (max(int(str(given)), 1), "threads")
    except ValueError:
        result.notes.append(("threads", "is no number"))


def _convert_logs(values: Mapping[str, object], result: Translated) -> None:
    """Convert the error log's file, the access log's format, dictConfig, and the limit of one header field."""
    errorlog, table = values.get("errorlog"), values.get("logconfig_dict")
    if errorlog and str(errorlog) != "-":
        level, _ = result.settings.pop("log_level", ("info", ""))
        result.logging = file_logging(str(errorlog), str(level) if level in _LEVELS else "info")
    if table:
        found = translate_dict_config(table) if isinstance(table, Mapping) else None
        if found is None:
            result.notes.append(("logconfig_dict", "is no table of texts and numbers: write [logging]"))
        else:
            result.logging = found
            result.remarks.append(("logconfig_dict", "the loggers are wiverno and wiverno.access here"))
    if access_format := values.get("access_log_format"):
        found_format = translate_format(unescape(str(access_format)) or str(access_format))
        if found_format is None:
            words = "has a field that wiverno has not; write common, combined, json, or fields such as {status}"
            result.notes.append(("access_log_format", words))
        else:
            result.settings["access_log_format"] = (found_format, "access_log_format")
    size = values.get("limit_request_field_size")
    if size is not None:
        words = "is a limit of one field; here max_request_header_size limits all of them together"
        result.notes.append(("limit_request_field_size", words))


_LEVELS = ("debug", "info", "warning", "error", "critical")


def _convert_trust(result: Translated) -> None:
    """Name the headers of a proxy that gunicorn trusts: wiverno trusts only named ones."""
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
    return [complete_address(str(word)) for word in words]


def complete_address(word: str) -> str:
    """Return an address of another server as wiverno writes it: `:8000` and `8000` are every address."""
    if word.startswith("fd://"):
        return f"fd:{word[5:]}"
    if word.startswith("unix://"):
        return f"unix:{word[7:]}"
    if word.startswith(":"):
        return f"0.0.0.0{word}"
    return f"0.0.0.0:{word}" if word.isdigit() else word


def _directories(value: object) -> object:
    return value if isinstance(value, list) else [word.strip() for word in str(value).split(",") if word.strip()]


def _variables(value: object) -> object:
    """Return raw_env as a table."""
    words = value if isinstance(value, list) else [str(value)]
    return {name: text for name, _, text in (str(word).partition("=") for word in words) if name}


def _peers(value: object) -> object:
    words = [word for word in str(value).replace(",", " ").split() if word]
    if not words:
        return None
    return words[0] if len(words) == 1 else words


def _convert_level(value: object) -> object:
    """Return a log level by wiverno's name; for gunicorn any other word is info."""
    if is_expandable(value):
        return value
    word = str(value).lower()
    return {"warn": "warning", "fatal": "critical"}.get(word, word)


_VALUES: Mapping[str, Callable[[object], object]] = {
    "bind": _addresses,
    "pythonpath": _directories,
    "raw_env": _variables,
    "forwarded_allow_ips": _peers,
    "loglevel": _convert_level,
    "user": str,
    "group": str,
}
