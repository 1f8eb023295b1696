"""The pages become a site, and nothing in them leads nowhere."""

import re
from pathlib import Path

import pytest

from tests.support.processes import ROOT, run


@pytest.mark.long  # make docs builds it too; test_pages checks links in every run
def test_site(tmp_path: Path) -> None:
    """Sphinx builds every page without a warning, with the docstrings, the drawings and the files of deploy/."""
    target = tmp_path / "site"
    options = ["-q", "-W", "--keep-going", "-b", "html", "-d", str(tmp_path / "doctrees")]
    done = run(["-m", "sphinx", *options, "docs", str(target)], cwd=ROOT, deadline=120)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages <= {path.stem for path in target.glob("*.html")}
    interface = re.sub(r"<[^>]+>", "", (target / "api.html").read_text())
    for name in ("serve", "create_server", "RunServer", "DevServer", "Adjustments", "Wiverno", "Router", "Templator"):
        assert name in interface
    assert "sequenceDiagram" in (target / "architecture.html").read_text()
    assert "send-proxy-v2" in (target / "deployment.html").read_text()
