"""The settings of operation: logs, workers, TLS, administration. `Adjustments` inherits them.

They concern what is around the engine, not the engine; the rules of settings.py apply here too.
"""

from typing import Annotated

from wiverno.config.fields import network_types, operations_types, tables, types, units
from wiverno.config.fields.access_log_format import access_format
from wiverno.config.fields.field import setting
from wiverno.config.fields.model import SettingsModel


class OperationsSettings(SettingsModel):
    """The settings of operation, declared for `Adjustments`."""

    access_log: Annotated[
        str | None,
        types.optional_text(
            "a path, - (standard output) or logging", examples=("-", "/var/log/wiverno/access.log", "logging")
        ),
    ] = setting(
        None,
        "Where each response is logged: a path, - for standard output, or logging for the logger wiverno.access.",
        "Logging",
    )
    access_log_format: Annotated[str, access_format()] = setting(
        "combined",
        "How a line of the access log looks: common, combined, json, or text with fields such as {status}.",
        "Logging",
    )
    access_log_sample: Annotated[int, types.integer(1)] = setting(
        1, "Log one response out of this many; those with a status from 500 on are always logged.", "Logging"
    )
    access_log_skip: Annotated[tuple[str, ...], operations_types.paths()] = setting(
        (), "Paths that are not logged; /static/* is every path that begins with /static/.", "Logging"
    )

    log_level: Annotated[str, types.choice("debug", "info", "warning", "error", "critical")] = setting(
        "info", "Lowest level of the server's own messages that is logged, where [logging] sets none.", "Logging"
    )

    workers: Annotated[int, types.integer(0, 512)] = setting(
        0,
        "Worker processes, under a supervisor that replaces and reloads them; 0 serves in one process without one.",
        "Workers",
    )
    preload: Annotated[bool, types.boolean()] = setting(
        False,
        "Load the application once in the supervisor: less memory, but a reload renews settings only, not code.",
        "Workers",
    )
    worker_timeout: Annotated[float, operations_types.long_duration(5)] = setting(
        60.0,
        "Time without a heartbeat after which a worker counts as hung and is replaced. With threads = 1 that is a "
        "limit on every request.",
        "Workers",
    )
    max_requests: Annotated[int, types.integer(0)] = setting(
        0, "Requests after which a worker is replaced; 0 is never.", "Workers"
    )
    max_requests_jitter: Annotated[int, types.integer(0)] = setting(
        0, "Up to how many more each worker serves, at random, so that not all are replaced at once.", "Workers"
    )
    max_rss: Annotated[int, types.size()] = setting(
        0, "Resident memory above which a worker is replaced; 0 is no limit.", "Workers"
    )
    stuck_requests: Annotated[str, types.choice("log", "recycle")] = setting(
        "log",
        "What happens after request_timeout: log logs the request with its stack, recycle also replaces its worker.",
        "Workers",
    )
    drain_delay: Annotated[float, types.duration("at once")] = setting(
        0.0,
        "Time between reporting not ready (/readyz) and refusing connections, in which load balancers stop sending.",
        "Workers",
    )

    certfile: Annotated[str | None, types.optional_text("a path", examples=("/etc/ssl/shop.pem",))] = setting(
        None,
        "PEM file with the certificate and its chain; TCP listeners then speak TLS, Unix sockets do not.",
        "TLS",
    )
    keyfile: Annotated[str | None, types.optional_text("a path", examples=("/etc/ssl/private/shop.key",))] = setting(
        None, "PEM file with the private key, if it is not in certfile.", "TLS"
    )
    ca_certs: Annotated[str | None, types.optional_text("a path", examples=("/etc/ssl/clients.pem",))] = setting(
        None, "PEM file with the authorities whose certificates clients may show.", "TLS"
    )
    client_cert: Annotated[str, types.choice("none", "optional", "required")] = setting(
        "none", "Whether clients are asked for a certificate: none, optional or required.", "TLS"
    )
    tls_min_version: Annotated[str, types.choice("1.2", "1.3")] = setting(
        "1.2", "The oldest version of TLS that is spoken.", "TLS"
    )
    kernel_tls: Annotated[bool, types.boolean()] = setting(
        False,
        "Have the kernel encrypt, so that files are sent without a copy (Linux with the module tls, Python 3.12).",
        "TLS",
    )

    redirect_listen: Annotated[tuple[str, ...], network_types.redirect_addresses()] = setting(
        (),
        "Addresses of the plain port beside TLS: every request is redirected to https. host:port, [v6]:port, fd:NAME.",
        "TLS",
    )
    redirect_port: Annotated[int, types.integer(0, 65535, examples=("443",))] = setting(
        0, "Port that redirect_listen redirects to; 0 is the TLS listener's own.", "TLS"
    )
    acme_webroot: Annotated[str | None, types.optional_text("a path", examples=("/var/lib/acme",))] = setting(
        None,
        "Directory in which an ACME client puts .well-known/acme-challenge/, which redirect_listen then serves.",
        "TLS",
    )

    admin_listen: Annotated[str | None, operations_types.address()] = setting(
        None,
        "Address of /healthz, /readyz, /metrics, /status and wiverno ctl: host:port, or unix:/path (mode 600).",
        "Administration",
    )
    admin_public: Annotated[bool, types.boolean()] = setting(
        False, "Let admin_listen be an address that other machines can reach; it is read-only there.", "Administration"
    )
    admin_metrics_application: Annotated[bool, types.boolean()] = setting(
        False,
        "Add to /metrics what the application has registered with prometheus_client, of all workers together.",
        "Administration",
    )
    pid_file: Annotated[str | None, types.optional_text("a path", examples=("/run/wiverno.pid",))] = setting(
        None, "File that holds the main process's id while the server runs.", "Administration"
    )
    user: Annotated[str | None, types.optional_text("a user's name or number", examples=("www-data",))] = setting(
        None,
        "User that serves, when the server is started by root; sockets and files are opened before.",
        "Administration",
    )
    group: Annotated[str | None, types.optional_text("a group's name or number", examples=("www-data",))] = setting(
        None, "Group that serves; without it the user's own groups.", "Administration"
    )
    umask: Annotated[int | None, operations_types.optional_mode()] = setting(
        None, "Permissions that files created by the application never have.", "Administration"
    )

    chdir: Annotated[str | None, types.optional_text("a directory", examples=("/srv/shop",))] = setting(
        None,
        "Directory in which the application is imported and runs; other settings' relative paths do not start there.",
        "Application",
    )
    pythonpath: Annotated[tuple[str, ...], operations_types.directories()] = setting(
        (), "Directories to import from, before all others; relative ones start at chdir.", "Application"
    )
    env: Annotated[tables.Table, tables.variables()] = setting(
        tables.EMPTY,
        "Environment variables for the application, set before it is imported.",
        "Application",
        otherwise=lambda _: tables.EMPTY,
        secret=True,
    )
    env_file: Annotated[tuple[str, ...], operations_types.files()] = setting(
        (),
        "Files with lines NAME=VALUE for env, for ${NAME} and for WIVERNO_ variables; the environment has precedence.",
        "Application",
    )
    hooks: Annotated[tables.Table, tables.hooks()] = setting(
        tables.EMPTY,
        "Functions that are called at certain times, each as module:function.",
        "Application",
        otherwise=lambda _: tables.EMPTY,
    )

    @property
    def admin_address(self) -> units.Address | None:
        """The address that `admin_listen` names."""
        return None if self.admin_listen is None else units.read_address(self.admin_listen)

    @property
    def redirect_addresses(self) -> tuple[units.Address, ...]:
        """The addresses that `redirect_listen` names; a host alone has port 80."""
        return tuple(dict.fromkeys(units.read_address(word, units.HTTP_PORT) for word in self.redirect_listen))
