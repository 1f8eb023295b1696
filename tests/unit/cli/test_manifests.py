"""What `wiverno service` prints agrees with the configuration; that programs accept it, tests/integration/cli shows."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from wiverno.cli.group import group

KINDS = ("systemd", "docker", "kubernetes", "nginx", "haproxy")
FULL = """
listen = ["0.0.0.0:8123", "unix:/run/shop.sock"]
workers = 2
graceful_timeout = "20s"
drain_delay = "5s"
admin_listen = "127.0.0.1:9123"
channel_timeout = 120
max_request_body_size = 1000
request_timeout = "30s"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(kind: str, settings: str = "", *more: str) -> str:
    Path("wiverno.toml").write_text(f'[app]\nuse = "shop:app"\n[server]\n{settings}')
    done = CliRunner().invoke(group, ["service", kind, *more])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_unit_waits_longer_than_the_server_drains(folder: Path) -> None:
    """drain_delay and graceful_timeout and a margin; SIGHUP only where there are workers that reload."""
    text = printed("systemd", FULL)
    assert "\nTimeoutStopSec=35\n" in text
    assert "\nExecReload=/bin/kill -HUP $MAINPID\n" in text
    assert f" run --config {folder}/wiverno.toml\n" in text
    assert f"\nWorkingDirectory={folder}\n" in text
    assert "\nUser=www-data\n" in text
    assert "ExecReload" not in printed("systemd")


def test_a_unit_leaves_the_user_to_the_configuration() -> None:
    text = printed("systemd", 'user = "shop"\n')
    assert "\nUser=" not in text
    assert "user and group stand in the configuration" in text


def test_a_unit_requires_its_sockets() -> None:
    assert "\nRequires=other.socket\n" in printed("systemd", 'listen = "fd:3"\n', "--name", "other")


def test_an_image_has_a_health_check_where_there_is_an_admin_address() -> None:
    text = printed("docker", FULL)
    assert "\nEXPOSE 8123\n" in text
    assert "http://127.0.0.1:9123/healthz" in text
    assert "\nCOPY wiverno.toml /srv/wiverno.toml\n" in text
    assert "--stop-timeout 35 " in text
    assert "HEALTHCHECK" not in printed("docker")


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_a_container_is_reached_from_outside(kind: str) -> None:
    """Addresses that only the container itself reaches are warned of."""
    text = printed(kind, 'listen = "127.0.0.1:8123"\nadmin_listen = "127.0.0.1:9123"\n')
    assert "warning: 127.0.0.1:8123 is reached only from inside of the container: listen on 0.0.0.0:8123 there" in text
    hint = "warning: 127.0.0.1:9123 is reached only from inside of the pod, and the kubelet asks from outside: "
    assert (hint in text) == (kind == "kubernetes")
    public = 'listen = ["127.0.0.1:8124", "0.0.0.0:8123"]\nadmin_listen = "0.0.0.0:9123"\nadmin_public = true\n'
    assert "is reached only" not in printed(kind, public)


@pytest.mark.parametrize(
    ("settings", "probe"),
    [(FULL, {"httpGet": {"path": "/readyz", "port": 9123}}), ("port = 8123\n", {"tcpSocket": {"port": 8123}})],
)
def test_a_deployment_asks_for_readiness(settings: str, probe: dict[str, object]) -> None:
    """Over HTTP where there is an admin address; otherwise only whether the port is open, with a warning."""
    text = printed("kubernetes", settings)
    assert ("warning: without admin_listen kubernetes can only ask" in text) == ("tcpSocket" in probe)
    deployment, service = yaml.safe_load_all(text[text.index("apiVersion") :])
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert probe.items() <= container["readinessProbe"].items()
    assert container["ports"] == [{"containerPort": 8123}]
    assert service["spec"]["ports"] == [{"port": 80, "targetPort": 8123}]


def test_a_balancer_reaches_every_address_from_the_same_machine() -> None:
    """An address that stands for all of the machine's is reached on its loopback address."""
    text = printed("nginx", FULL)
    assert "\n    server 127.0.0.1:8123 max_fails=0;\n    server unix:/run/shop.sock max_fails=0;\n" in text
    assert "\n    client_max_body_size 1000;\n" in text
    assert "\n    keepalive_timeout 115s;" in text
    text = printed("haproxy", FULL)
    assert "\n    server shop1 127.0.0.1:8123 check port 9123 inter 1s fall 1 rise 1\n" in text
    assert "\n    server shop2 /run/shop.sock check port 9123 " in text
    assert "\n    option httpchk GET /readyz\n" in text
    assert "\n    timeout server 30s\n" in text


@pytest.mark.parametrize(
    ("kind", "word"), [("nginx", "proxy_pass https://shop;"), ("haproxy", " ssl verify required ")]
)
def test_a_balancer_speaks_tls_where_the_server_does(kind: str, word: str) -> None:
    data = Path(__file__).resolve().parents[2] / "data" / "tls"
    tls = f'certfile = "{data}/first.pem"\nkeyfile = "{data}/first.key"\n'
    assert word in printed(kind, f"port = 8123\n{tls}")
    assert word not in printed(kind, "port = 8123\n")


def test_haproxy_announces_clients_as_the_server_expects() -> None:
    """With proxy_protocol in its own protocol, otherwise in a field."""
    with_protocol = printed("haproxy", 'proxy_protocol = true\ntrusted_proxies = ["127.0.0.1"]\n')
    assert " send-proxy-v2\n" in with_protocol
    assert "option forwardfor" not in with_protocol
    assert "option forwardfor" in printed("haproxy")


TRUSTED = 'http2 = true\nlisten = ["127.0.0.1:8123", "unix:/run/shop.sock"]\ntrusted_proxies = ["127.0.0.1"]\n'


def test_haproxy_speaks_http_2_where_the_server_does() -> None:
    """By prior knowledge to trusting addresses and Unix sockets, by ALPN over TLS; the health check stays HTTP/1.1."""
    text = printed("haproxy", TRUSTED + 'admin_listen = "127.0.0.1:9123"\n')
    assert text.count(" proto h2\n") == 2
    assert "\n    http-check connect default proto h1\n" in text
    distrusting = printed("haproxy", TRUSTED.partition("trusted_proxies")[0])
    assert [" proto h2" in line for line in distrusting.splitlines() if "    server " in line] == [False, True]
    assert "proto h1" not in distrusting
    data = Path(__file__).resolve().parents[2] / "data" / "tls"
    secure = printed("haproxy", f'{TRUSTED}certfile = "{data}/first.pem"\nkeyfile = "{data}/first.key"\n')
    assert " alpn h2,http/1.1\n" in secure
    assert secure.count(" proto h2") == 1
    assert " proto " not in printed("haproxy", 'trusted_proxies = ["127.0.0.1"]\nproxy_protocol = true\n')


def test_nginx_speaks_http_1_1() -> None:
    """It has no HTTP/2 to its upstreams but gRPC's."""
    assert "\n        proxy_http_version 1.1;\n" in printed("nginx", TRUSTED)


def test_an_image_installs_the_extra_that_the_configuration_needs() -> None:
    assert '"wiverno[http2]>=2"' in printed("docker", "http2 = true\n")
    assert '"wiverno>=2"' in printed("docker")


def test_inherited_sockets_have_an_address_to_fill_in() -> None:
    assert "server 127.0.0.1:8080 " in printed("nginx", 'listen = "fd:3"\n')


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_is_needed(kind: str) -> None:
    """Defaults give a text to start from, whose command names no file."""
    done = CliRunner().invoke(group, ["service", kind])
    assert done.exit_code == 0
    if kind == "systemd":
        assert " run MODULE:ATTRIBUTE\n" in done.output


def test_a_table_needs_a_file() -> None:
    done = CliRunner().invoke(group, ["service", "systemd", "--server-name", "other"])
    assert done.exit_code == 2
    assert "--server-name other is a table of a file, and none is read" in done.output


SITE = """
listen = ["0.0.0.0:8443"]
certfile = "/etc/site/site.pem"
redirect_listen = ["0.0.0.0:8080"]
"""


def test_the_plain_port_beside_tls() -> None:
    """Its port is published, too, and redirects lead to the port that clients know."""
    note = "warning: clients reach port 8443 as 443, where redirects must lead: set redirect_port = 443"
    text = printed("docker", SITE)
    assert note in text
    assert " -p 443:8443 -p 80:8080 " in text
    assert "\nEXPOSE 8443 8080\n" in text
    text = printed("kubernetes", SITE + "redirect_port = 443\n")
    assert note not in text
    deployment, service = yaml.safe_load_all(text[text.index("apiVersion") :])
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["ports"] == [{"containerPort": 8443}, {"containerPort": 8080}]
    assert service["spec"]["ports"] == [
        {"name": "https", "port": 443, "targetPort": 8443}, {"name": "http", "port": 80, "targetPort": 8080},
    ]  # fmt: skip


def test_low_ports_need_a_capability() -> None:
    """A unit whose user is not root may bind ports below 1024 only with it; the configuration's user needs none."""
    low = SITE.replace("8080", "80")
    assert "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n" in printed(
        "systemd", low
    )
    assert "Capabilit" not in printed("systemd", SITE)
    assert "Capabilit" not in printed("systemd", low + 'user = "shop"\n')
    assert "\nRequires=shop.socket\n" in printed("systemd", SITE.replace("0.0.0.0:8080", "fd:http"))
    for kind in ("nginx", "haproxy"):
        assert f"warning: {kind} listens on port 80 itself: leave out redirect_listen" in printed(kind, low)
        assert "leave out redirect_listen" not in printed(kind, SITE)
