"""A machine's place for deploy/site.toml: its paths and ports moved into a folder of a test."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.fleet import DEPLOY
from tests.support.processes import ROOT, Child, environment, script
from tests.support.sockets import LOOPBACK, free_port

TLS = ROOT / "tests" / "data" / "tls"

WSGI = """
def application(environ, start_response):
    body = b"the site"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


@dataclass(frozen=True)
class Site:
    """The folder that stands for /, and the ports that stand for 443 and 80."""

    folder: Path
    secure: int
    plain: int

    @property
    def address(self) -> tuple[str, int]:
        return LOOPBACK, self.secure

    @property
    def webroot(self) -> Path:
        return self.folder / "acme"

    @property
    def hook(self) -> Path:
        """deploy/site-renewed with this place's paths."""
        return self.folder / "site-renewed"

    def renew(self, name: str) -> None:
        """Run the hook as certbot does, with one of the certificates of tests/data/tls."""
        lineage = self.folder / "lineage"
        lineage.mkdir(exist_ok=True)
        shutil.copy(TLS / f"{name}.pem", lineage / "fullchain.pem")
        shutil.copy(TLS / f"{name}.key", lineage / "privkey.pem")
        subprocess.run([self.hook], env=environment({"RENEWED_LINEAGE": str(lineage)}), check=True)

    @contextmanager
    def run(self) -> Iterator[Child]:
        """Serve it."""
        command = [script("wiverno"), "run", "--config", str(self.folder / "site.toml")]
        with Child(command, cwd=self.folder, env={"PYTHONPATH": f"{self.folder}:{ROOT}"}) as child:
            child.wait_for("ready: 2 workers")
            yield child


def place_site(folder: Path, hosts: str = '"localhost"') -> Site:
    """Put the files of deploy/ into a folder, with its paths and free ports, and a certificate to begin with."""
    site = Site(folder, free_port(), free_port())
    moved = {
        "*:443": f"{LOOPBACK}:{site.secure}",
        "*:80": f"{LOOPBACK}:{site.plain}",
        "/etc/site": str(folder),
        "/var/lib/acme": str(site.webroot),
        "/var/log/site": str(folder),
        "/run/site": str(folder),
        "/srv/site": str(folder),
        '"example.org", "www.example.org"': hosts,
        "www-data": str(os.getegid()),
    }
    for name in ("site.toml", "site-renewed"):
        text = (DEPLOY / name).read_text()
        for before, after in moved.items():
            text = text.replace(before, after)
        (folder / name).write_text(text)
    site.hook.chmod(0o755)
    site.webroot.mkdir()
    (folder / "mysite").mkdir()
    (folder / "mysite" / "wsgi.py").write_text(WSGI)
    (folder / "static").mkdir()
    (folder / "static" / "site.css").write_text("body { color: green }")
    assert shlex.quote(str(folder)) == str(folder)
    site.renew("first")
    return site
