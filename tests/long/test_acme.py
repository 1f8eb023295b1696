"""A real ACME client and a real ACME server: certbot obtains and renews from pebble, while clients lose nothing."""

import http.client
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.deploy.site import TLS, place_site
from tests.support.acme import AcmeServer, acme_server
from tests.support.https_load import HttpsLoad
from tests.support.processes import environment
from tests.support.programs import program
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.long

NAME = "shop.example"


def certbot(folder: Path, server: AcmeServer, *words: str) -> None:
    """Run certbot with its files in a folder."""
    folders = [f"--{name}-dir={folder / name}" for name in ("config", "work", "logs")]
    command = [program("certbot"), *words, "--non-interactive", "--server", server.directory, *folders]
    done = subprocess.run(
        command, env=environment({"REQUESTS_CA_BUNDLE": str(TLS / "ca.pem")}), capture_output=True, text=True,
        timeout=PATIENCE * 10, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def fetch(address: tuple[str, int], root: str) -> bytes:
    """Ask the site as a browser does that trusts the ACME server's root: name and chain are checked."""
    context = ssl.create_default_context(cadata=root)
    connection = http.client.HTTPSConnection(*address, context=context, timeout=PATIENCE)
    connection.sock = context.wrap_socket(socket.create_connection(address, timeout=PATIENCE), server_hostname=NAME)
    try:
        connection.request("GET", "/", headers={"Host": NAME})
        return connection.getresponse().read()
    finally:
        connection.close()


def test_certbot_obtains_and_renews(tmp_path: Path) -> None:
    """From a certificate to begin with to a renewed one: no restart, no lost request, the chain is the authority's."""
    site = place_site(tmp_path, hosts=f'"{NAME}"')
    with acme_server(tmp_path, site.plain) as server, site.run() as child, HttpsLoad(site.address, host=NAME) as load:
        load.wait_for_more()
        with pytest.raises(ssl.SSLCertVerificationError):
            fetch(site.address, server.root)
        account = ["--agree-tos", "--email", "webmaster@shop.example"]
        how = ["--webroot", "--webroot-path", str(site.webroot), "--domain", NAME, "--deploy-hook", str(site.hook)]
        certbot(tmp_path, server, "certonly", *account, *how)
        load.wait_for_certificates(2)
        load.wait_for_more()
        assert fetch(site.address, server.root) == b"the site"
        certbot(tmp_path, server, "renew", "--force-renewal", "--no-random-sleep-on-renew")
        load.wait_for_certificates(3)
        load.wait_for_more()
        assert fetch(site.address, server.root) == b"the site"
        assert load.failures == []
        print(f"{load.count} requests, none lost; certificates shown: {list(load.certificates.values())}")
        log = (tmp_path / "access.log").read_text()
        assert child.stop(signal.SIGTERM) == 0, child.output
    assert log.count('"GET /.well-known/acme-challenge/') >= 2
    assert "keeping the current certificates" not in child.output
    assert [path for path in site.webroot.rglob("*") if path.is_file()] == []
