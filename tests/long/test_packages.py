"""The wheel and the sdist, built as a release is, each installed into an empty environment and used from there."""

import re
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Child, run
from tests.support.sockets import in_url
from wiverno import __version__

pytestmark = pytest.mark.long


def installed(folder: Path, *requirements: str) -> Path:
    """Make an empty environment with these in it, and return where its programs are."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    programs = folder / "bin"
    command = [
        str(programs / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *requirements,
    ]
    done = run(command, deadline=300)
    assert done.returncode == 0, done.stderr
    return programs


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("built")
    programs = installed(folder / "builder", "hatchling")
    done = run([str(programs / "hatchling"), "build", "-d", str(folder / "dist")], cwd=ROOT, deadline=120)
    assert done.returncode == 0, done.stderr
    return folder / "dist"


def test_contents(built: Path) -> None:
    """The wheel has every file of the package and nothing else; the sdist has what its tests need."""
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = run(["git", "ls-files", "wiverno"], cwd=ROOT).stdout.split()
    assert {name for name in tracked if (ROOT / name).exists()} <= names
    assert {name.split("/", maxsplit=1)[0] for name in names} == {"wiverno", f"wiverno-{__version__}.dist-info"}
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        folders = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    tracked = run(["git", "ls-files"], cwd=ROOT).stdout.split("\n")
    assert {name.split("/", maxsplit=1)[0] for name in tracked if name} <= folders | {".gitattributes"}


def test_metadata(built: Path) -> None:
    """Licence, Python versions, README and typing are said as the index shows them."""
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        text = archive.read(name).decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert re.search(r"^License-Expression: MIT$", text, re.MULTILINE)
    assert re.search(r"^Requires-Python: >=3.11$", text, re.MULTILINE)
    assert re.search(r"^Description-Content-Type: text/markdown$", text, re.MULTILINE)
    assert "Classifier: Typing :: Typed" in text
    assert "# wiverno" in text


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_installed(built: Path, tmp_path: Path, kind: str) -> None:
    """Without the extras, away from the checkout: it serves, checks, begins a project, and says what is missing."""
    (package,) = built.glob(kind)
    programs = installed(tmp_path / "environment", str(package))
    wiverno = str(programs / "wiverno")
    variables: dict[str, str | None] = {"PYTHONPATH": None}
    assert __version__ in run([wiverno, "--version"], cwd=tmp_path, env=variables).stdout
    command = [
        wiverno,
        "run",
        "wiverno.demo:create_app",
        "--factory",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "unix:a.sock",
    ]
    with Child(command, cwd=tmp_path, env=variables) as child:
        host, port = child.address()
        with urllib.request.urlopen(f"http://{in_url(host)}:{port}/", timeout=10) as answer:
            assert answer.status == 200
        assert child.stop() == 0, child.output
    (tmp_path / "wiverno.toml").write_text('[server]\nthreads = "many"\n')
    assert run([wiverno, "config", "check"], cwd=tmp_path, env=variables).returncode == 2
    (tmp_path / "wiverno.toml").unlink()
    assert run([wiverno, "init", "shop"], cwd=tmp_path, env=variables).returncode == 0
    code = "from wiverno import Templator\ntry: Templator('.')\nexcept ImportError as error: print(error)"
    said = run([str(programs / "python"), "-c", code], cwd=tmp_path, env=variables).stdout
    assert "pip install 'wiverno[templates]>=2'" in said
