"""The site without a proxy: deploy/site.toml, its systemd unit, and the hook that hands a renewed certificate over."""

import http.client
import re
import signal
import ssl
from pathlib import Path

from tests.deploy.fleet import DEPLOY
from tests.deploy.site import TLS, place_site
from tests.support.h2_client import h2_client
from tests.support.https_load import HttpsLoad
from tests.support.processes import run, script
from tests.support.programs import program
from tests.support.sockets import LOOPBACK, RawClient
from tests.support.waiting import PATIENCE


def test_site_serves_and_takes_a_renewed_certificate(tmp_path: Path) -> None:
    """Both protocols over TLS, redirect, challenge, hosts; the hook's certificate is served, no request is lost."""
    site = place_site(tmp_path)
    with site.run() as child:
        context = ssl.create_default_context(cafile=TLS / "ca.pem")
        connection = http.client.HTTPSConnection("localhost", site.secure, context=context, timeout=PATIENCE)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"the site"
        connection.request("GET", "/static/site.css")
        answer = connection.getresponse()
        assert (answer.read(), answer.headers["Content-Type"]) == (b"body { color: green }", "text/css; charset=utf-8")
        connection.request("GET", "/", headers={"Host": "evil.example"})
        assert connection.getresponse().status == 421
        connection.close()
        with h2_client(site.address, secure=True) as client:
            assert client.fetch("/").status == "200"
        folder = site.webroot / ".well-known" / "acme-challenge"
        folder.mkdir(parents=True)
        (folder / "token").write_text("token.key")
        for path, host, status in (
            ("/a", "localhost", 308),
            ("/.well-known/acme-challenge/token", "localhost", 200),
            ("/", "evil.example", 421),
        ):
            with RawClient((LOOPBACK, site.plain)) as plain:
                plain.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                assert plain.response()[0] == status
        with HttpsLoad(site.address) as load:
            load.wait_for_more()
            site.renew("second")
            load.wait_for_certificates(2)
            load.wait_for_more()
        assert load.failures == []
        assert "keeping the current certificates" not in child.output
        assert child.stop(signal.SIGTERM) == 0, child.output
    assert oct((tmp_path / "site.pem").stat().st_mode) == "0o100640"
    assert not (tmp_path / "site.pem.new").exists()


def test_unit_is_valid(tmp_path: Path) -> None:
    """systemd reads the unit without a complaint."""
    text = (DEPLOY / "site.service").read_text().replace("/srv/site/venv/bin/wiverno", script("wiverno"))
    (tmp_path / "site.service").write_text(text)
    command = [program("systemd-analyze", package="systemd"), "verify", "--man=no", "--recursive-errors=no"]
    done = run([*command, str(tmp_path / "site.service")])
    said = [line for line in done.stderr.splitlines() if "site" in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_unit_and_configuration_agree() -> None:
    """The unit waits longer than the server, lets it open what its limits allow, and bind both ports."""
    unit, server = (DEPLOY / "site.service").read_text(), (DEPLOY / "site.toml").read_text()
    [stop] = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    [graceful] = re.findall(r'^graceful_timeout = "(\d+)s"', server, re.MULTILINE)
    [files] = re.findall(r"^LimitNOFILE=(\d+)$", unit, re.MULTILINE)
    [connections] = re.findall(r"^connection_limit = (\d+)", server, re.MULTILINE)
    assert int(stop) > int(graceful)
    assert int(files) >= 4 * int(connections)
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in unit
    for directory, name in (("RuntimeDirectory", "/run/site/"), ("LogsDirectory", "/var/log/site/")):
        assert f"{directory}=site" in unit
        assert name in server
