"""Names that people know from other servers, and what takes their place among the settings.

A similar name is a poor guess for them: `module` has nothing to do with `mode`. Whole files of other servers are the
business of the converter (config/convert).
"""

from collections.abc import Mapping
from typing import Final

_APPLICATION: Final = 'the application stands in the table [app]: use = "MODULE:ATTRIBUTE"'
_LOGGING: Final = "handlers and files of the log are set in the table [logging]"
_NO_KINDS: Final = "there is one kind of worker, with threads: threads"
_FOREGROUND: Final = "wiverno stays in the foreground; the service manager puts it into the background"
_RELOADS: Final = "wiverno run dev reloads"
_SLOW: Final = 'a request that takes too long is logged: "request_timeout"'
_PYTHON: Final = "wiverno runs in the virtual environment that it is installed in"

FOREIGN_NAMES: Final[Mapping[str, str]] = {
    "app": _APPLICATION,
    "application": _APPLICATION,
    "callable": _APPLICATION,
    "module": _APPLICATION,
    "target": _APPLICATION,
    "wsgi": _APPLICATION,
    "wsgi_app": _APPLICATION,
    "wsgi_file": _APPLICATION,
    "factory": "it belongs to the application: factory = true in the table [app]",
    "address": 'the setting is "listen" here',
    "bind": 'the setting is "listen" here',
    "http": 'the setting is "listen" here',
    "http_socket": 'the setting is "listen" here',
    "accesslog": 'the setting is "access_log" here',
    "cheaper": 'the number of processes stays: "workers"; threads grow up to "max_threads"',
    "daemon": _FOREGROUND,
    "daemonize": _FOREGROUND,
    "error_log": _LOGGING,
    "errorlog": _LOGGING,
    "harakiri": _SLOW,
    "home": _PYTHON,
    "keepalive": 'the setting is "channel_timeout" here',
    "log_file": _LOGGING,
    "log_config": _LOGGING,
    "logconfig": _LOGGING,
    "logfile": _LOGGING,
    "logger": _LOGGING,
    "logging": _LOGGING,
    "logto": _LOGGING,
    "master": "with workers there is always a supervisor",
    "num_workers": 'the setting is "workers" here',
    "processes": 'the setting is "workers" here',
    "reload": _RELOADS,
    "py_autoreload": _RELOADS,
    "ssl_cert": 'the settings are "certfile" and "keyfile" here',
    "ssl_certfile": 'the setting is "certfile" here',
    "ssl_certificate": 'the setting is "certfile" here',
    "ssl_key": 'the setting is "keyfile" here',
    "ssl_keyfile": 'the setting is "keyfile" here',
    "static_map": 'the setting is "static" here',
    "static_path_mount": 'the setting is "static" here',
    "timeout": _SLOW,
    "virtualenv": _PYTHON,
    "venv": _PYTHON,
    "worker_class": _NO_KINDS,
    "worker_connections": 'the setting is "connection_limit" here',
}


def foreign_name(name: str) -> str | None:
    """Return what takes the place of another server's setting, None if the name is not known."""
    return FOREIGN_NAMES.get(name.lower().replace("-", "_"))
