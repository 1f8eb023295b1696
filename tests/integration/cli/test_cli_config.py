"""`wiverno config` as a person types it; what it says is tested word for word with wiverno.config."""

import json
import tomllib
from pathlib import Path

import pytest

from tests.support.processes import ROOT, run, script

WIVERNO = script("wiverno")
PRODUCTION = "configs/production.toml"
DEVELOPMENT = "configs/development.ini"


def config(*arguments: str, status: int = 0, text: str | None = None, cwd: Path = ROOT, **env: str) -> str:
    done = run([WIVERNO, "config", *arguments], cwd=cwd, text=text, env=dict(env))
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_check() -> None:
    """Shipped configurations are right; seven mistakes are located and end with status 2."""
    assert "ok" in config("check", PRODUCTION, "--app")
    assert "ok" in config("check", DEVELOPMENT, "--app")
    assert "ok" in config("check", "--config", PRODUCTION)
    report = config("check", "tests/data/config/bad.toml", status=2)
    assert "7 errors; nothing was started" in report
    assert report.count("error: tests/data/config/bad.toml:") == 7


def test_check_for_machines() -> None:
    """--format json gives the same mistakes as data."""
    found = json.loads(config("check", "tests/data/config/bad.toml", "--format", "json", status=2))
    assert len(found["errors"]) == 7
    assert all(error["line"] for error in found["errors"])


def test_check_app(tmp_path: Path) -> None:
    """--app imports the application; what it raises is reported as a mistake."""
    (tmp_path / "raising.py").write_text("1 / 0\n")
    (tmp_path / "a.toml").write_text('[app]\nuse = "raising:app"\n')
    assert "ok" in config("check", "a.toml", cwd=tmp_path)
    report = config("check", "a.toml", "--app", status=2, cwd=tmp_path)
    assert "a.toml:2: app: importing it raised ZeroDivisionError: division by zero" in report


def test_show() -> None:
    """show prints each value with its source, in three formats."""
    text = config("show", PRODUCTION, "--port", "9000", WIVERNO_THREADS="32")
    assert "port = 9000   # option --port; overrides 8000 from configs/production.toml:" in text
    assert "threads = 32   # environment variable WIVERNO_THREADS; overrides 16 from" in text
    assert "recv_bytes" not in text
    assert "recv_bytes" in config("show", PRODUCTION, "--all")
    assert tomllib.loads(config("show", PRODUCTION, "--format", "toml"))["server"]["threads"] == 16
    assert json.loads(config("show", PRODUCTION, "--format", "json"))["files"] == [PRODUCTION]


def test_explain() -> None:
    """explain tells meaning, chain of origins and how to set it."""
    text = config("explain", "threads", "--config", PRODUCTION, WIVERNO_THREADS="32")
    assert "Threads that may be inside the application at once." in text
    assert "value     32   (environment variable WIVERNO_THREADS)" in text
    assert "overrides 16   (configs/production.toml:" in text
    assert json.loads(config("explain", "threads", PRODUCTION, "--format", "json"))["value"] == 16
    assert 'did you mean "threads"?' in config("explain", "thread", status=2)


def test_secrets(tmp_path: Path) -> None:
    """Secrets are masked unless --reveal asks for them."""
    (tmp_path / "a.toml").write_text('[app]\nuse = "a:b"\nfactory = true\n[app.settings]\npassword = "open sesame"\n')
    assert "open sesame" not in config("show", "a.toml", cwd=tmp_path)
    assert "open sesame" in config("show", "a.toml", "--reveal", cwd=tmp_path)


def test_convert(tmp_path: Path) -> None:
    """The shipped INI converts to a TOML that checks, from standard input too; an existing file is left alone."""
    text = config("convert", DEVELOPMENT)
    assert "ok" in config("check", "-", text=text)
    out = tmp_path / "out.toml"
    config("convert", DEVELOPMENT, "-o", str(out))
    assert "ok" in config("check", str(out))
    assert "exists and was left alone" in config("convert", DEVELOPMENT, "-o", str(out), status=2)
    config("convert", DEVELOPMENT, "-o", str(out), "--force")
    back = config("convert", str(out), "--to", "ini")
    assert "[server:main]" in back


def test_convert_gunicorn(tmp_path: Path) -> None:
    """What cannot be carried over is named; --strict makes it status 1."""
    (tmp_path / "gunicorn.conf.py").write_text('bind = "127.0.0.1:9000"\nworkers = 2\ndef post_fork(a, b): pass\n')
    text = config("convert", "gunicorn.conf.py", cwd=tmp_path)
    assert "127.0.0.1:9000" in text
    assert "not carried over: " in text
    config("convert", "gunicorn.conf.py", "--strict", status=1, cwd=tmp_path)


def test_schema() -> None:
    """The schema is JSON and the shipped one is in step."""
    schema = json.loads(config("schema"))
    assert schema == json.loads((ROOT / "configs/wiverno.schema.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "name"), [([], "wiverno.toml"), (["--ini"], "wiverno.ini"), (["x.toml"], "x.toml")]
)
def test_init(tmp_path: Path, arguments: list[str], name: str) -> None:
    """init writes a file that checks, and never over another."""
    config("init", *arguments, "--app", "wsgiref.simple_server:demo_app", cwd=tmp_path)
    assert "ok" in config("check", name, "--app", cwd=tmp_path)
    assert "exists and was left alone" in config("init", *arguments, status=2, cwd=tmp_path)


def test_one_file(tmp_path: Path) -> None:
    """Two files are one too many; a missing one is named."""
    assert "one file at a time" in config("check", "a.toml", "b.toml", status=2)
    assert "absent.toml: no such file or directory" in config("show", "absent.toml", status=2)
    assert "absent" in config("schema", "-o", str(tmp_path / "absent" / "s.json"), status=2)
