"""`wiverno service`: a systemd unit, Dockerfile, manifest or proxy configuration made from the configuration.

The server's configuration says already what these files must agree on: where it listens, how long it drains, which
address reports that it is ready. Each function turns that into one format; nothing is written to disk.
"""

import shlex
import sys
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import click

from wiverno.addresses import is_loopback
from wiverno.cli.exit import report_config_errors, require_file, warn
from wiverno.config.loader import LoadedConfig, load
from wiverno.config.settings import Adjustments, FdAddress, TcpAddress, UnixAddress
from wiverno.files import current_directory, make_absolute, start_directory

FIRST_FREE_PORT = 1024  # those below need a right of root's
CAPABILITIES = ("AmbientCapabilities", "CapabilityBoundingSet")
NAMES = {80: "http", 443: "https"}  # of ports, for Kubernetes
NEXT_PORT = "\n            - containerPort: "
MARGIN = 10  # seconds that a service manager waits longer than the server


@click.command()
@click.argument("kind", type=click.Choice(("systemd", "docker", "kubernetes", "nginx", "haproxy")))
@click.option("--config", "config_file", metavar="FILE", type=click.Path(), help=(
    "The file that the service is started with [WIVERNO_CONFIG; default ./wiverno.toml if it is there]"
))  # fmt: skip
@click.option("--server-name", "section", metavar="NAME", default="main", help="Use the file's table [server:NAME]")
@click.option("--name", metavar="NAME", default="shop", show_default=True, help="Name of the service")
@report_config_errors()
def service(kind: str, config_file: str | None, section: str, name: str) -> None:
    """Generate a systemd unit, Dockerfile, manifest or proxy configuration."""
    loaded = load(config_file, server_name=section, is_local=True)
    require_file(bool(loaded.files) or config_file == "-", section=section)
    settings = loaded.adjustments
    made: Callable[[LoadedConfig, str], str] = {
        "systemd": systemd, "docker": docker, "kubernetes": kubernetes, "nginx": nginx, "haproxy": haproxy,
    }[kind]  # fmt: skip
    if kind in ("kubernetes", "haproxy") and settings.admin_address is None:
        warn([f"without admin_listen {kind} can only ask whether the port is open: set admin_listen"])
    if kind in ("docker", "kubernetes"):
        warn(_notes_on_loopback(kind, settings))
    warn(_notes_on_redirects(kind, settings))
    click.echo(made(loaded, name), nl=False)


def _notes_on_loopback(kind: str, settings: Adjustments) -> list[str]:
    """Return which address cannot be reached from outside of the container."""
    notes = []
    listened = [address for address in settings.addresses if isinstance(address, TcpAddress)]
    if listened and all(is_loopback(address.host) for address in listened):
        port = listened[0].port
        notes.append(f"{listened[0]} is reached only from inside of the container: listen on 0.0.0.0:{port} there")
    admin = settings.admin_address
    if kind == "kubernetes" and isinstance(admin, TcpAddress) and is_loopback(admin.host):
        hint = f'admin_listen = "0.0.0.0:{admin.port}" and admin_public = true'
        notes.append(f"{admin} is reached only from inside of the pod, and the kubelet asks from outside: {hint}")
    return notes


def _notes_on_redirects(kind: str, settings: Adjustments) -> list[str]:
    """Return what the plain port beside TLS needs in these surroundings."""
    ports = _redirect_ports(settings)
    if kind in ("nginx", "haproxy") and 80 in ports:
        return [f"{kind} listens on port 80 itself: leave out redirect_listen, or give it another port"]
    if kind in ("docker", "kubernetes") and ports and not settings.redirect_port and _first(settings).port != 443:
        return [
            f"clients reach port {_first(settings).port} as 443, where redirects must lead: set redirect_port = 443"
        ]
    return []


def _redirect_ports(settings: Adjustments) -> list[int]:
    return [address.port for address in settings.redirect_addresses if isinstance(address, TcpAddress)]


def _stop_time(settings: Adjustments) -> int:
    """Return the seconds after which a service manager may kill the server."""
    return ceil(settings.drain_delay + settings.graceful_timeout) + MARGIN


def _command(loaded: LoadedConfig, path: Path | None = None) -> list[str]:
    file = path or (Path(make_absolute(str(loaded.path))) if loaded.path is not None else None)
    return ["run", *(["--config", str(file)] if file is not None else ["MODULE:ATTRIBUTE"])]


def _first(settings: Adjustments) -> TcpAddress:
    """Return the first TCP address that the server listens on."""
    found = next((address for address in settings.addresses if isinstance(address, TcpAddress)), None)
    return found or TcpAddress("127.0.0.1", settings.port)


def _admin_port(settings: Adjustments) -> int | None:
    address = settings.admin_address
    return address.port if isinstance(address, TcpAddress) else None


def systemd(loaded: LoadedConfig, name: str) -> str:
    """Return a unit."""
    settings = loaded.adjustments
    program = Path(make_absolute(sys.argv[0])) if sys.argv else Path("wiverno")
    command = shlex.join([str(program), *_command(loaded)])
    directory = start_directory()
    # systemd does not pass the name by which it entered the directory.
    named = f"Environment=PWD={directory}\n" if directory != current_directory() else ""
    reload = "ExecReload=/bin/kill -HUP $MAINPID\n" if settings.workers else ""
    sockets = ""
    addresses = (*settings.addresses, *settings.redirect_addresses)
    if any(isinstance(address, FdAddress) for address in addresses):
        sockets = f"Requires={name}.socket\n"
    identity = f"User={settings.user or 'www-data'}\nGroup={settings.group or settings.user or 'www-data'}\n"
    if any(isinstance(address, TcpAddress) and 0 < address.port < FIRST_FREE_PORT for address in addresses):
        identity += "".join(f"{setting}=CAP_NET_BIND_SERVICE\n" for setting in CAPABILITIES)
    if settings.user is not None:
        identity = "# user and group stand in the configuration: the sockets are opened by root before.\n"
    return f"""\
# /etc/systemd/system/{name}.service
[Unit]
Description={name} on wiverno
After=network.target
{sockets}
[Service]
# From systemd 253 on, Type=notify-reload lets systemctl reload wait for the end of the reload.
Type=notify
{identity}WorkingDirectory={directory}
{named}ExecStart={command}
{reload}WatchdogSec=30
KillMode=mixed
TimeoutStopSec={_stop_time(settings)}
Restart=always
RestartSec=1
LimitNOFILE={4 * settings.connection_limit + 1024}
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full

[Install]
WantedBy=multi-user.target
"""


def docker(loaded: LoadedConfig, name: str) -> str:
    """Return a Dockerfile."""
    settings = loaded.adjustments
    words = ", ".join(f'"{word}"' for word in ["wiverno", *_command(loaded, Path("/srv/wiverno.toml"))])
    port = _admin_port(settings)
    health = ""
    if port is not None:
        probe = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/healthz', timeout=2)"
        health = f'HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", "{probe}"]\n'
    redirects = _redirect_ports(settings)[:1]
    exposed = " ".join(map(str, (_first(settings).port, *redirects)))
    published = f"-p 8000:{_first(settings).port}"
    if redirects:
        published = f"-p 443:{_first(settings).port} -p 80:{redirects[0]}"
    wanted = "wiverno[http2]>=2" if settings.http2 else "wiverno>=2"
    copied = loaded.path.name if loaded.path is not None else "wiverno.toml"
    return f"""\
# docker build -t {name} . && docker run --stop-timeout {_stop_time(settings)} {published} {name}
FROM python:3.13-slim
WORKDIR /srv
# Until wiverno 2 is on PyPI (1.0.4 there is another package), its wheel is made with
#   pip wheel --no-deps --wheel-dir wheels /path/to/the/checkout
COPY wheels /wheels
COPY requirements.txt .
RUN pip install --no-cache-dir --find-links /wheels "{wanted}" -r requirements.txt
COPY . .
COPY {copied} /srv/wiverno.toml
RUN useradd --uid 10001 --no-create-home app
USER app
EXPOSE {exposed}
{health}# The server must be the first process: it is the one that gets SIGTERM.
STOPSIGNAL SIGTERM
CMD [{words}]
"""


def kubernetes(loaded: LoadedConfig, name: str) -> str:
    """Return a Deployment and a Service."""
    settings = loaded.adjustments
    admin, port, redirects = _admin_port(settings), _first(settings).port, _redirect_ports(settings)[:1]
    ready, alive = _kubernetes_probe("/readyz", admin, port), _kubernetes_probe("/healthz", admin, port)
    command = ", ".join(f'"{word}"' for word in ["wiverno", *_command(loaded, Path("/etc/wiverno/wiverno.toml"))])
    return f"""\
# kubectl create configmap {name} --from-file=wiverno.toml={loaded.path or "wiverno.toml"}
# The kubelet asks from outside of the pod: admin_listen must be "0.0.0.0:{admin or 9000}", with admin_public = true.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: 2
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      # drain_delay, graceful_timeout and a margin
      terminationGracePeriodSeconds: {_stop_time(settings) + 5}
      enableServiceLinks: false
      containers:
        - name: {name}
          image: {name}:latest
          command: [{command}]
          ports:
            - containerPort: {port}{"".join(f"{NEXT_PORT}{other}" for other in redirects)}
          startupProbe:
            {ready}
            periodSeconds: 1
            failureThreshold: 60
          readinessProbe:
            {ready}
            periodSeconds: 2
            failureThreshold: 1
          livenessProbe:
            {alive}
            periodSeconds: 10
            failureThreshold: 3
          lifecycle:
            preStop:
              exec: {{command: ["sleep", "5"]}}
          volumeMounts:
            - {{name: configuration, mountPath: /etc/wiverno}}
      volumes:
        - name: configuration
          configMap: {{name: {name}}}
{_kubernetes_service(name, port, redirects)}"""


def _kubernetes_probe(path: str, admin: int | None, port: int) -> str:
    return f"httpGet: {{path: {path}, port: {admin}}}" if admin is not None else f"tcpSocket: {{port: {port}}}"


def _kubernetes_service(name: str, port: int, redirects: Sequence[int]) -> str:
    ports = {443: port, 80: redirects[0]} if redirects else {80: port}
    # Several ports need names.
    lines = "".join(
        f"    - {{{f'name: {NAMES[outer]}, ' if redirects else ''}port: {outer}, targetPort: {inner}}}\n"
        for outer, inner in ports.items()
    )
    return f"""\
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector: {{app: {name}}}
  ports:
{lines}"""


def _upstreams(settings: Adjustments) -> list[str]:
    """Return the server's addresses as a proxy on the same machine reaches them."""
    found = []
    for address in settings.addresses:
        if isinstance(address, UnixAddress):
            found.append(f"unix:{address.path}")
        elif isinstance(address, TcpAddress):
            host = "127.0.0.1" if address.host in ("", "0.0.0.0", "::") else address.host
            found.append(str(TcpAddress(host, address.port)))
    return found or ["127.0.0.1:8080"]


def nginx(loaded: LoadedConfig, name: str) -> str:
    """Return nginx's upstream and server."""
    settings = loaded.adjustments
    servers = "".join(f"    server {address} max_fails=0;\n" for address in _upstreams(settings))
    scheme = "https" if settings.certfile is not None else "http"
    idle = max(int(settings.channel_timeout) - 5, 1) if settings.channel_timeout else 60
    return f"""\
# In wiverno: trusted_proxies = ["127.0.0.1"], trusted_proxy_headers = ["x-forwarded-for", "x-forwarded-proto"]
upstream {name} {{
{servers}    keepalive 32;
    keepalive_timeout {idle}s;              # nginx closes first: channel_timeout is longer
}}

server {{
    listen 80;
    client_max_body_size {settings.max_request_body_size};

    location / {{
        proxy_pass {scheme}://{name};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Request-ID $request_id;
        proxy_next_upstream error http_503;
    }}
}}
"""


def haproxy(loaded: LoadedConfig, name: str) -> str:
    """Return HAProxy's frontend and backend."""
    settings = loaded.adjustments
    ask = "    option httpchk GET /readyz\n" if _admin_port(settings) is not None else ""
    if ask and settings.http2:
        ask += "    http-check connect default proto h1\n"  # the admin listener speaks HTTP/1.1
    servers = "".join(
        f"    server {name}{number} {_haproxy_server(settings, address)}\n"
        for number, address in enumerate(_upstreams(settings), 1)
    )
    forwarded = "" if settings.proxy_protocol else "    option forwardfor\n"
    seconds: Any = ceil(settings.request_timeout) or 60
    return f"""\
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server {seconds}s
    timeout http-keep-alive {max(int(settings.channel_timeout) - 5, 1) if settings.channel_timeout else 60}s

frontend {name}
    bind :80
    default_backend {name}

backend {name}
{ask}{forwarded}    option redispatch 1
    retries 2
    retry-on conn-failure 503
{servers}"""


def _haproxy_server(settings: Adjustments, address: str) -> str:
    """Return the address of a server line and what it has to be spoken to with."""
    admin = _admin_port(settings)
    path = address.removeprefix("unix:")
    words = [path, f"check port {admin} inter 1s fall 1 rise 1" if admin is not None else "check inter 1s"]
    if path == address and settings.certfile is not None:  # a Unix socket speaks plain HTTP, with certfile too
        words.append("ssl verify required ca-file @system-ca")
        words += ["alpn h2,http/1.1"] if settings.http2 else []
    elif settings.http2 and (path != address or settings.trusted_proxies or settings.trusted_proxy is not None):
        words.append("proto h2")
    words += ["send-proxy-v2"] if settings.proxy_protocol else []
    return " ".join(words)
