"""Names of uWSGI's options: those that are carried, and what to do about each of the others."""

from __future__ import annotations

from collections.abc import Mapping

# The same option under other names (uWSGI's documentation, "Configuration Options").
SYNONYMS: Mapping[str, str] = {
    "workers": "processes", "w": "module", "wsgi": "module", "p": "processes", "s": "socket", "uwsgi-socket": "socket",
    "unix-socket": "socket", "virtualenv": "home", "venv": "home", "pyhome": "home", "python-path": "pythonpath",
    "pp": "pythonpath", "l": "listen", "b": "buffer-size", "chmod": "chmod-socket", "c": "chmod-socket",
    "safe-pidfile": "pidfile", "pidfile2": "pidfile", "logger": "logto", "log-format": "logformat",
    "static-map2": "static-map", "check-static": "static", "logto2": "logto", "reload-mercy": "worker-reload-mercy",
    "file": "wsgi-file", "stats-server": "stats", "h": "home", "d": "daemonize", "daemonize2": "daemonize",
    "m": "memory-report", "r": "max-requests", "i": "single-interpreter", "t": "harakiri", "z": "socket-timeout",
    "min-worker-lifetime": "max-worker-lifetime", "ini-paste": "paste", "ini-paste-logged": "paste",
    "plugin": "plugins", "need-plugin": "plugins", "worker-cheaper": "cheaper", "http11-socket": "http-socket",
    "user": "uid", "group": "gid", "put-env": "env", "http-auto-chunked": "http-keepalive",
    "so-keepalive": "http-keepalive",
}  # fmt: skip

_HARAKIRI = (
    "uWSGI kills the worker after it; here the request is logged with its stack, and "
    'stuck_requests = "recycle" also replaces the worker'
)

# Options with the same meaning, by wiverno's names, and a remark where the meaning differs.
SAME: Mapping[str, tuple[str, str]] = {
    "processes": ("workers", ""),
    "threads": ("threads", ""),
    "chdir": ("chdir", "other settings' relative paths start where wiverno is started"),
    "uid": ("user", ""),
    "gid": ("group", ""),
    "umask": ("umask", ""),
    "pidfile": ("pid_file", ""),
    "listen": ("backlog", ""),
    "max-requests": ("max_requests", ""),
    "max-requests-delta": ("max_requests_jitter", ""),
    "harakiri": ("request_timeout", _HARAKIRI),
    "worker-reload-mercy": ("graceful_timeout", ""),
    "buffer-size": ("max_request_header_size", ""),
    "limit-post": ("max_request_body_size", ""),
}  # fmt: skip

ALWAYS = "not needed: it is always so"
NOT_NEEDED: Mapping[str, str] = {
    "master": "not needed: with workers there is a supervisor",
    "vacuum": "not needed: sockets and the pid file are removed at the end",
    "die-on-term": "not needed: SIGTERM drains and ends the server",
    "enable-threads": "not needed: threads are always enabled",
    "single-interpreter": "not needed: there is one interpreter",
    "need-app": "not needed: without an application the start fails",
    "strict": "not needed: an unknown setting is an error",
    "thunder-lock": "not needed: workers pause accepting when they are busy",
    "lazy-apps": "not needed: each worker loads the application, unless preload = true",
    "lazy": "not needed: each worker loads the application, unless preload = true",
    "no-orphans": "not needed: workers end with their supervisor",
    "post-buffering": "not needed: bodies are received before the application is called",
    "ignore-sigpipe": "not needed: a client that disconnects raises nothing",
    "ignore-write-errors": "not needed: a client that disconnects raises nothing",
    "disable-write-exception": "not needed: a client that disconnects raises nothing",
    "write-errors-tolerance": "not needed: a client that disconnects raises nothing",
    "http-keepalive": "not needed: connections stay open; channel_timeout bounds the idle time",
    "add-header-keepalive": ALWAYS,
    "plugins": "not needed: nothing is loaded",
    "plugin-dir": "not needed: nothing is loaded",
    "plugins-dir": "not needed: nothing is loaded",
    "offload-threads": "not needed: files are sent by the kernel, and slow clients hold no thread",
    "memory-report": "not needed: /metrics has the memory of each worker (admin_listen)",
    "disable-logging": "not needed: there is no access log unless access_log names one",
    "log-master": "not needed: the supervisor opens log files again on SIGUSR1",
    "log-reopen": "not needed: SIGUSR1 opens log files again",
    "threaded-logger": ALWAYS,
    "wsgi-env-behaviour": "not needed: each request has a new environ",
    "wsgi-env-behavior": "not needed: each request has a new environ",
    "manage-script-name": "not needed: url_prefix sets SCRIPT_NAME",
    "py-call-osafterfork": "not needed: Python's own handlers run after each fork",
    "py-call-uwsgi-fork-hooks": "not needed: Python's own handlers run after each fork",
    "close-on-exec": ALWAYS,
    "close-on-exec2": ALWAYS,
    "auto-procname": "there is no counterpart: processes keep their name",
    "procname": "there is no counterpart: processes keep their name",
    "procname-prefix": "there is no counterpart: processes keep their name",
    "procname-master": "there is no counterpart: processes keep their name",
    "no-default-app": "not needed: there is one application",
    "reuse-port": "not needed: workers share the listening socket",
    "abstract-socket": "there are no abstract sockets, because they have no permissions: use a path",
    "print": "it has no effect on the server",
    "master-as-root": "not needed: the supervisor keeps the user that started it",
    "buffer-size-max": ALWAYS,
    "optimize": "set PYTHONOPTIMIZE in the service's environment",
}

LEFT: Mapping[str, str] = {
    "chown-socket": "the socket belongs to user and group; unix_socket_perms sets its mode",
    "daemonize": "wiverno stays in the foreground; the service manager puts it into the background",
    "max-worker-lifetime": "replace workers with max_requests or max_rss, or run wiverno ctl reload by a timer",
    "reload-on-as": "use max_rss, which limits resident memory",
    "evil-reload-on-rss": "use max_rss",
    "evil-reload-on-as": "use max_rss",
    "socket-timeout": "see channel_timeout (idle connections), header_timeout and body_timeout (slow requests)",
    "http-timeout": "see request_timeout; there is no router in front of the workers",
    "harakiri-verbose": "not needed: a request that runs too long is always logged with its stack",
    "harakiri-graceful-timeout": "see graceful_timeout",
    "cheaper": "the number of workers is fixed: wiverno ctl workers --more, --fewer, or SIGTTIN, SIGTTOU",
    "gevent": "there are no greenlets: each request that waits takes a thread, so set threads",
    "asyncio": "there is no asyncio: set threads",
    "log-5xx": "the access log has all responses, and access_log_sample never leaves out those from 500 on",
    "log-4xx": "the access log has all responses",
    "log-slow": "request_timeout logs slow requests with their stack",
    "log-x-forwarded-for": 'name the proxy: trusted_proxies and trusted_proxy_headers = ["x-forwarded-for"]',
    "log-date": "write the format under [logging]",
    "log-encoder": 'access_log_format = "json" writes JSON',
    "log-maxsize": "a rotation program renames the file and sends SIGUSR1",
    "log-backupname": "a rotation program renames the file and sends SIGUSR1",
    "logfile-chown": "log files belong to user and group",
    "logfile-chmod": "umask sets the mode of new files",
    "add-header": "set the field in the application, in a middleware or in the proxy",
    "route": "routes belong into the proxy or into a middleware",
    "if-env": "conditions have no counterpart: ${NAME:-default} takes a value from the environment",
    "py-autoreload": "wiverno run dev restarts the application when a file changes",
    "python-autoreload": "wiverno run dev restarts the application when a file changes",
    "touch-reload": "send SIGHUP, or wiverno ctl reload",
    "touch-chain-reload": "send SIGHUP, or wiverno ctl reload",
    "touch-logreopen": "send SIGUSR1",
    "master-fifo": "use signals, or wiverno ctl with admin_listen",
    "ini": 'convert that file too, and merge the results: extends = "base.toml"',
    "include": 'convert that file too, and merge the results: extends = "base.toml"',
    "inherit": 'convert that file too, and merge the results: extends = "base.toml"',
    "emperor": "the service manager runs a unit for each application",
    "vassals-dir": "the service manager runs a unit for each application",
    "attach-daemon": "the service manager runs other programs in units",
    "smart-attach-daemon": "the service manager runs other programs in units",
    "hook-post-app": "see [server.hooks]: when_ready, on_reload, post_fork, worker_exit",
    "exec-pre-app": "run it before the start: ExecStartPre= in the unit",
    "exec-asap": "run it before the start: ExecStartPre= in the unit",
    "exec-post-app": "use the hook when_ready: [server.hooks]",
    "http-to": "there is no router in front of the workers",
    "http-processes": "there is no router in front of the workers",
    "http-websockets": "there are no WebSockets: route their paths to an ASGI server",
    "http-raw-body": "there is no router in front of the workers",
    "https2": "set certfile, keyfile and http2 = true",
    "ssl-socket": "set certfile and keyfile",
    "cpu-affinity": "the service manager sets it: CPUAffinity= in the unit",
    "limit-as": "the service manager limits memory: MemoryMax= in the unit",
    "max-fd": "the service manager sets it: LimitNOFILE= in the unit",
    "rlimit-nofile": "the service manager sets it: LimitNOFILE= in the unit",
    "uwsgi-protocol": "HTTP only",
    "static-index": "[[static]] serves files; the rest belongs into the proxy",
    "static-expires": 'write how long a mount\'s files may be kept: cache_control = "max-age=SECONDS"',
    "static-safe": "[[static]] serves files; the rest belongs into the proxy",
    "static": "[[static]] serves files; the rest belongs into the proxy",
    "pecan": 'name the application: [app] use = "module:attribute"',
}

# The beginnings of groups of options.
LEFT_GROUPS: Mapping[str, str] = {
    "cheaper-": LEFT["cheaper"],
    "route-": LEFT["route"],
    "response-route": LEFT["route"],
    "hook-": LEFT["hook-post-app"],
    "emperor-": LEFT["emperor"],
    "vassal": LEFT["emperor"],
    "procname-": NOT_NEEDED["procname"],
    "static-expires": LEFT["static-expires"],
    "static-": LEFT["static-index"],
    "gevent-": LEFT["gevent"],
    "exec-": LEFT["exec-pre-app"],
    "log-": "write [logging], access_log and access_log_format",
    "touch-": LEFT["touch-reload"],
    "cache": "uWSGI's own API has no counterpart: use another program",
    "spooler": "uWSGI's own API has no counterpart: use a task queue",
    "mule": "uWSGI's own API has no counterpart: use a task queue",
    "farm": "uWSGI's own API has no counterpart: use a task queue",
    "cron": "use systemd's timers or cron",
    "unique-cron": "use systemd's timers or cron",
    "legion": "uWSGI's own API has no counterpart: use another program",
    "carbon": "admin_listen has /metrics for Prometheus",
    "metric": "admin_listen has /metrics for Prometheus",
    "stats-": "admin_listen has /status and /metrics",
    "http-": "there is no router in front of the workers",
    "fastrouter": "there is no router in front of the workers",
    "rlimit-": "the service manager sets limits",
    "ksm": "there is no counterpart",
}

# Options of the command line that take no value.
FLAGS = frozenset(
    (
        "master", "vacuum", "die-on-term", "enable-threads", "single-interpreter", "need-app", "strict", "thunder-lock",
        "lazy-apps", "lazy", "no-orphans", "ignore-sigpipe", "ignore-write-errors", "disable-write-exception",
        "http-keepalive", "memory-report", "disable-logging", "log-master", "manage-script-name", "auto-procname",
        "harakiri-verbose", "log-5xx", "log-4xx", "http-websockets", "no-default-app", "threaded-logger",
        "py-call-osafterfork", "py-call-uwsgi-fork-hooks", "close-on-exec", "log-x-forwarded-for",
    )
)  # fmt: skip

OWN_NAMES = (
    "module", "wsgi-file", "callable", "mount", "paste", "pyramid", "http", "http-socket", "socket", "https",
    "https-socket", "pythonpath", "home", "env", "chmod-socket", "reload-on-rss", "logto", "daemonize", "req-logger",
    "logformat", "stats", "static-map", "protocol",
)  # fmt: skip
"""Options that need more than another name, see uwsgi.py."""

KNOWN = frozenset((*SYNONYMS, *SAME, *NOT_NEEDED, *LEFT, *OWN_NAMES))
