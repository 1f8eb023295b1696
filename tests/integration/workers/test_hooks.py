"""Hooks, directory, import path and variables of a real service, over a reload and at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.workers import reload, service, wait_for_workers

APPLICATION = """
import os, library
def app(environ, start_response):
    start_response("200 OK", [])
    return [f"{os.getcwd()} {os.environ['SHOP']} {os.environ['TOKEN']} {library.NAME}".encode()]
"""
HOOKS = """
import os
def when_ready(server):
    server.log.info("hook ready for %s", server.pid)
def on_reload(server):
    server.log.info("hook reloaded %s", os.environ["SHOP"])
def post_fork(server, worker):
    server.log.info("hook forked %s", worker.pid)
def worker_exit(server, worker):
    worker.log.info("hook exit %s", worker.pid)
"""
SETTINGS = """
chdir = "home"
pythonpath = ["../lib"]
env_file = "shop.env"
env = { SHOP = "open" }
[server.hooks]
when_ready = "hooks:when_ready"
on_reload = "hooks:on_reload"
post_fork = "hooks:post_fork"
worker_exit = "hooks:worker_exit"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, file, text in (("lib", "library.py", "NAME = 'lib'"), ("home", "hooks.py", HOOKS)):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(text)
    (tmp_path / "shop.env").write_text("TOKEN=from-the-file\n")
    return tmp_path


def test_workers(folder: Path) -> None:
    """Each hook runs where it belongs; a reload takes new variables, and one whose hook fails changes nothing."""
    with service(folder, "--workers", "1", application=APPLICATION, settings=SETTINGS) as served:
        child = served.child
        child.wait_for("hook ready for")
        [first] = wait_for_workers(served, 1)
        assert served.get()[1].decode() == f"{folder}/home open from-the-file lib"
        child.wait_for(f"hook forked {first}")
        config = folder / "wiverno.toml"
        config.write_text(config.read_text().replace('SHOP = "open"', 'SHOP = "closed"'))
        reload(served, 1)
        child.wait_for("hook reloaded closed")
        child.wait_for(f"hook exit {first}")
        assert served.get()[1].decode() == f"{folder}/home closed from-the-file lib"
        served.write("home/hooks.py", HOOKS.replace('server.log.info("hook forked', 'raise KeyError("broken'))
        [second] = wait_for_workers(served, 1)
        served.admin("/reload", "POST")
        child.wait_for("reload failed, still running the previous configuration")
        child.wait_for(r"hook post_fork \(hooks:post_fork\) raised:")
        assert wait_for_workers(served, 1) == {second}
        assert child.stop() == 0
        child.wait_for(f"hook exit {second}")


def test_one_process(folder: Path) -> None:
    """A server of one process is its own worker."""
    with service(folder, application=APPLICATION, settings=SETTINGS) as served:
        served.child.wait_for("hook ready for")
        assert served.get()[1].decode() == f"{folder}/home open from-the-file lib"
        assert served.child.stop() == 0
        pid = served.child.wait_for(r"hook forked (\d+)")[1]
        served.child.wait_for(f"hook exit {pid}")
