"""A browser shows Django's admin, whose style sheets come from a mount after `collectstatic`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support.processes import Child, run, script
from tests.support.programs import program
from tests.support.sockets import RawClient

PROJECT = """
import os, sys
import django
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project")
SECRET_KEY = "for a test"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "project"
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.messages", "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = "staticfiles"
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}

if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
elif __name__ == "project" and "collectstatic" not in sys.argv:
    from django.core.wsgi import get_wsgi_application
    urlpatterns = []
    application = get_wsgi_application()
    from django.contrib import admin
    urlpatterns.append(path("admin/", admin.site.urls))
"""

CONFIGURATION = """
[app]
use = "project:application"
[server]
host = "127.0.0.1"
port = 0
access_log = "access.log"
[[static]]
path = "/static"
directory = "staticfiles"
"""

PROBE = """<!doctype html><title>not yet</title>
<iframe src="/admin/login/" width="1000" height="700"></iframe>
<script>
const frame = document.querySelector("iframe");
frame.onload = () => {
  const inner = frame.contentDocument, style = (name) => inner.defaultView.getComputedStyle(inner.querySelector(name));
  document.title = [style("#header").backgroundColor, style("#container").display, inner.styleSheets.length].join("|");
};
</script>
"""


def browse(folder: Path, url: str, *options: str) -> tuple[str, str]:
    """Open a page in a headless browser; return its document and what the console says."""
    browser = program("chromium", "chromium-browser", "google-chrome")
    ended = run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=4000", *options, url,
        ],
        deadline=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, "\n".join(line for line in ended.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.long
def test_the_admin_of_django(tmp_path: Path) -> None:
    """Styles, scripts and icons under their names with a hash, which are kept for a year; the console is silent."""
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "wiverno.toml").write_text(CONFIGURATION)
    collected = run([sys.executable, "project.py", "collectstatic", "--noinput", "-v0"], cwd=tmp_path, deadline=60)
    assert collected.returncode == 0, collected.stderr
    (tmp_path / "staticfiles" / "probe.html").write_text(PROBE)
    command = [script("wiverno"), "run", "--config", str(tmp_path / "wiverno.toml")]
    with Child(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}) as child:
        host, port = child.address()
        document, console = browse(tmp_path, f"http://{host}:{port}/static/probe.html", "--dump-dom")
        found = re.search(r"<title>(rgb\([0-9, ]+\))\|(\w+)\|([0-9]+)</title>", document)
        assert found is not None, document
        assert (found[1] != "rgb(0, 0, 0)", found[2], int(found[3]) >= 4) == (True, "flex", True)
        assert console == ""
        sheet = re.search(r'href="(/static/admin/css/base\.[0-9a-f]{12}\.css)"', child_page(host, port))
        assert sheet is not None
        with RawClient((host, port)) as client:
            client.send(f"GET {sheet[1]} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert "immutable" in client.response()[1]["cache-control"]
        assert child.stop() == 0
    log = (tmp_path / "access.log").read_text()
    assert re.search(r'"GET /static/admin/css/base\.[0-9a-f]{12}\.css HTTP/1\.1" 200', log)
    assert not re.search(r'"GET /static/\S+ HTTP/1\.1" [45]', log)


def child_page(host: str, port: int) -> str:
    """Return the page of the admin's login."""
    with RawClient((host, port)) as client:
        client.send(b"GET /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return client.response()[2].decode()
