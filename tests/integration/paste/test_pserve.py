"""The real pserve of Pyramid, with a real Pyramid application, from INI and from TOML."""

import shutil
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Child, run, script
from tests.support.sockets import busy_port, free_port, in_url
from tests.support.waiting import wait_until

DATA = ROOT / "tests" / "data" / "pyramid"
PSERVE = script("pserve")


def get(child: Child, path: str = "/") -> tuple[str, dict[str, str]]:
    host, port = child.address()
    with urllib.request.urlopen(f"http://{in_url(host)}:{port}{path}", timeout=10) as response:
        return response.read().decode(), dict(response.headers)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of the Pyramid project, for tests that change a file."""
    return Path(shutil.copytree(DATA, tmp_path / "site"))


def pserve(*arguments: str, cwd: Path = DATA, env: dict[str, str | None] | None = None) -> Child:
    return Child([PSERVE, *arguments], cwd=cwd, env={"PYTHONPATH": str(cwd), **(env or {})})


@pytest.mark.parametrize(
    ("arguments", "greeting"),
    [
        (["development.ini"], "hello from INI"),
        (["development.ini", "--server-name", "simple"], "hello from INI"),
        (["development.ini", "--server-name", "runner"], "hello from INI"),
        (["production.toml"], "hello from TOML"),
        (["production.toml", "--server-name", "simple"], "hello from TOML"),
        (["wiverno://production.toml"], "hello from TOML"),
        (["wiverno+toml://production.toml"], "hello from TOML"),
    ],
)
def test_serves_pyramid(arguments: list[str], greeting: str) -> None:
    """pserve serves the application from either file and every server of it, and SIGTERM ends it well."""
    with pserve(*arguments) as child:
        assert get(child)[0] == "Pyramid says hello"
        body, headers = get(child, "/settings")
        assert greeting in body
        assert headers["Server"] == "wiverno"
        assert child.stop(signal.SIGTERM) == 0


def test_ctrl_c() -> None:
    """SIGINT ends pserve with status 0."""
    with pserve("development.ini") as child:
        get(child)
        assert child.stop(signal.SIGINT) == 0


def test_logging_of_the_file() -> None:
    """[loggers] and [logging] are set up before the application runs."""
    with pserve("production.toml") as child:
        get(child)
        child.wait_for("TOML-LOG INFO pyramid_site home was asked for")
    with pserve("development.ini") as child:
        get(child)
        child.wait_for("INI-LOG INFO pyramid_site home was asked for")


def test_toml_settings_and_middleware() -> None:
    """A Paste factory gets [app.settings] with dotted names and native values; middleware keeps the file's order."""
    with pserve("production.toml") as child:
        body, headers = get(child, "/settings")
        assert '"site.numbers": [1, 2, 3]' in body
        assert '"sqlalchemy.url": "sqlite://"' in body
        names = [name for name in headers if name in ("X-Inner", "X-Outer")]
        assert names == ["X-Inner", "X-Outer"]


def test_pipeline_of_ini() -> None:
    """Pipelines and filters of an INI file are PasteDeploy's own."""
    with pserve("development.ini", "--app-name", "timed") as child:
        assert "X-From-Ini" in get(child)[1]


def test_named_app_of_toml() -> None:
    """--app-name chooses another table of the file."""
    with pserve("production.toml", "--app-name", "demo") as child:
        assert "ok" in get(child, "/healthz")[0]


def test_another_server() -> None:
    """`use = "egg:waitress#main"` hands the table to that server."""
    port = free_port()
    with pserve("production.toml", f"http_port={port}", "--server-name", "waitress") as child:
        child.wait_for("Serving on http")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as response:
            assert response.headers["Server"] == "waitress"


@pytest.mark.parametrize("name", ["development.ini", "production.toml"])
def test_variable_and_environment(name: str) -> None:
    """pserve's variables reach ${...}; WIVERNO_* stands above the file."""
    port = free_port()
    with pserve(name, f"http_port={port}") as child:
        assert child.address()[1] == port
    port = free_port()
    with pserve(name, "--server-name", "simple", env={"WIVERNO_PORT": str(port)}) as child:
        assert child.address()[1] == port


def test_mistakes_before_the_application(site: Path) -> None:
    """Every mistake is reported with its line; status 2, no traceback, and the application is not imported."""
    (site / "pyramid_site.py").write_text("raise SystemError('imported')")
    env: dict[str, str | None] = {"PYTHONPATH": str(site)}
    for arguments in (["broken.toml"], ["development.ini", "--server-name", "wrong"]):
        done = run([PSERVE, *arguments], cwd=site, env=env)
        assert done.returncode == 2, done.stderr
        assert "prot: unknown setting" in done.stderr
        assert "port: must be at most 65535" in done.stderr
        assert 'did you mean "port"?' in done.stderr
        assert "Traceback" not in done.stderr
        assert "imported" not in done.stderr
    assert "broken.toml:5: prot" in run([PSERVE, "broken.toml"], cwd=site, env=env).stderr


def test_busy_port() -> None:
    """A port that is taken ends pserve with one line and status 1, which pserve would turn into 0."""
    with busy_port() as port:
        for name in ("development.ini", "production.toml"):
            done = run([PSERVE, name, f"http_port={port}"], cwd=DATA, env={"PYTHONPATH": str(DATA)})
            assert done.returncode == 1
            assert f"Address already in use: 127.0.0.1:{port}" in done.stderr
            assert "Traceback" not in done.stderr


def test_default_trap(site: Path) -> None:
    """A key that PasteDeploy drops from the section, because [DEFAULT] has it too, is warned of."""
    text = (site / "development.ini").read_text()
    (site / "trap.ini").write_text("[DEFAULT]\nthreads = 8\n" + text)
    with pserve("trap.ini", cwd=site) as child:
        child.wait_for(r"warning: .*threads is also in \[DEFAULT\]")
        assert get(child)[0] == "Pyramid says hello"


def test_reload_watches_the_base(site: Path) -> None:
    """--reload restarts the server when a file that the configuration extends is edited."""
    with pserve("production.toml", "--reload", cwd=site) as child:
        assert "hello from TOML" in get(child, "/settings")[0]
        base = site / "base.toml"

        def edited() -> bool:
            # hupper polls: an edit before its first look at a file is not seen, so it is edited until it is.
            base.write_text(base.read_text() + "\n")
            return f"{base} changed; reloading" in child.output

        wait_until(edited, 30, what="the reloader to see the edit")
        child.wait_for(r"(?s)changed; reloading.*Starting server in PID.*Serving on")
        child.send(signal.SIGTERM)


def test_other_scripts() -> None:
    """proutes and prequest read the TOML file too."""
    env: dict[str, str | None] = {"PYTHONPATH": str(DATA)}
    done = run([script("proutes"), "production.toml"], cwd=DATA, env=env)
    assert done.returncode == 0, done.stderr
    assert "settings" in done.stdout
    done = run([script("prequest"), "production.toml", "/"], cwd=DATA, env=env)
    assert done.stdout.strip() == "Pyramid says hello", done.stderr


@pytest.mark.parametrize("name", ["development.ini", "production.toml"])
def test_shipped_configurations(name: str) -> None:
    """Both files of configs/ serve the demo under pserve on any machine."""
    with Child([PSERVE, f"configs/{name}", "http_port=0"], cwd=ROOT, env={"WIVERNO_PORT": "0"}) as child:
        body, headers = get(child)
        assert "wiverno" in body
        assert headers["Content-Type"].startswith("text/html")
        assert child.stop() == 0
