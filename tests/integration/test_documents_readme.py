"""The README is true: its programs run, its configuration checks, its outputs are printed, its links lead somewhere."""

import re
import urllib.request
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Child, run, script

README = (ROOT / "README.md").read_text()
WIVERNO = script("wiverno")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_links() -> None:
    """Every relative link is a file of the project."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


@pytest.mark.parametrize(("number", "path", "expected"), [(0, "/", "Hello\n"), (1, "/users/7", '{"id":7}')])
def test_programs(tmp_path: Path, number: int, path: str, expected: str) -> None:
    """The programs serve; only their ports are put in, and logging for the one that sets none up."""
    text = re.sub(r"(127\.0\.0\.1:|port=)\d+", r"\g<1>0", blocks("python")[number])
    (tmp_path / "program.py").write_text("import logging\nlogging.basicConfig(level=logging.INFO)\n" + text)
    with Child(["program.py"], cwd=tmp_path) as child:
        host, port = child.address()
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as response:
            assert response.read().decode().replace(" ", "") == expected
        assert child.stop() == 0


def test_configuration(tmp_path: Path) -> None:
    """The configuration is right once its variable and its secret are there."""
    (tmp_path / "key").write_text("secret")
    (tmp_path / "site.toml").write_text(blocks("toml")[0].replace("/run/secrets/key", str(tmp_path / "key")))
    done = run([WIVERNO, "config", "check", "site.toml"], cwd=tmp_path, env={"DATABASE_URL": "sqlite://"})
    assert done.returncode == 0, done.stderr
    done = run([WIVERNO, "config", "check", "site.toml"], cwd=tmp_path)
    assert "site.toml:6: app.settings.database_url" in done.stderr, done.stderr


def test_outputs(tmp_path: Path) -> None:
    """What the README shows of reports and explanations is what the program prints."""
    (tmp_path / "broken.toml").write_text('[server]\nprot = 8000\nthreads = "many"\n')
    report = run([WIVERNO, "run", "--config", "broken.toml"], cwd=tmp_path).stderr
    assert report in README
    explained = run(
        [WIVERNO, "config", "explain", "threads", "--config", "configs/production.toml"],
        cwd=ROOT, env={"WIVERNO_THREADS": "32"},
    ).stdout  # fmt: skip
    shown = README.partition("$ WIVERNO_THREADS=32 wiverno config explain")[2].partition("```")[0].splitlines()[1:]
    assert [line for line in shown if line.strip() not in ("", "...") and line not in explained.splitlines()] == []
