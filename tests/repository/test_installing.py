"""The version is one number everywhere, and the changelog keeps its form."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import wiverno
from tests.support.files import ROOT, written_files


def test_version_is_the_same_everywhere() -> None:
    """The package's metadata, `wiverno.__version__` and the changelog's first heading name one version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = re.search(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert found is not None
    assert project["version"] == wiverno.__version__ == found[1]


def test_changelog_has_the_form_of_keep_a_changelog() -> None:
    """Every section below a version is one of the form's six, in its order, and none comes twice."""
    sections = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    versions = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]
    assert versions
    for version in versions:
        places = [sections.index(title) for title in re.findall(r"^### (.+)$", version, re.MULTILINE)]
        assert places == sorted(set(places)), version.splitlines()[0]


def test_pinned_versions_install_on_debian_12() -> None:
    """What `constraints.txt` pins accepts the oldest Python that a supported system brings, 3.11.2."""
    pinned = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    wrong = {}
    for name, version in pinned.items():
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # of another group or system
        needs = str(found.metadata.json.get("requires_python", ""))
        if found.version == version and not SpecifierSet(needs).contains("3.11.2"):
            wrong[name] = needs
    assert wrong == {}


FOLDERS = ("wiverno", "docs", "examples", "deploy", "configs", "tests", ".ci")
INSTALLS = re.compile(r"\bpip3?\b[^\n`]*?\binstall\b(?P<rest>[^\n`]*)")
OURS = re.compile(r"(?<![\w./-])wiverno(?:\[[\w,]*\])?(?P<bound>[<>=~!][=]?\s*[\d.]+)?(?![\w.-])(?!/)")


LISTS = re.compile(
    r"^\s*(?:\w*dependencies|requires|install_requires)\s*=\s*\[(.*?)\]\s*(?:#.*)?$", re.MULTILINE | re.DOTALL
)


def unbound(text: str) -> list[str]:
    """Return what in a text installs or requires wiverno without saying which."""
    places = [match["rest"].split("&&")[0] for match in INSTALLS.finditer(text.replace("\\", ""))]
    places += [re.sub(r"#.*", "", match[1]) for match in LISTS.finditer(text)]
    names = [match for place in places for match in OURS.finditer(place)]
    return [match[0] for match in names if (match["bound"] or "").replace(" ", "") != ">=2"]


def texts() -> Iterator[tuple[Path, str]]:
    """Every file that we write and that is text."""
    outside = (path for path in written_files() if path.parent == ROOT)
    for path in [*outside, *written_files(*FOLDERS)]:
        if path == Path(__file__) or "data" in path.relative_to(ROOT).parts:
            continue
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [
        ("$ pip install wiverno", True),
        ("`pip install 'wiverno[templates]'`", True),
        ("RUN pip install --no-cache-dir wiverno -r requirements.txt", True),
        ("python -m pip install -q flask wiverno==1.0.4", True),
        ('dependencies = ["flask", "wiverno"]', True),
        ('dependencies = [\n    "wiverno[metrics]",\n]', True),
        ("pip install 'wiverno[templates]>=2'", False),
        ('pip install --find-links /wheels "wiverno>=2" && useradd wiverno', False),
        ("pip install wiverno-2.0.0-py3-none-any.whl", False),
        ("pip install /srv/wiverno .[templates]", False),
        ('dependencies = ["wiverno>=2"]', False),
    ],
)
def test_what_counts_as_an_installation(text: str, is_wrong: bool) -> None:
    """The search below finds what it is for."""
    assert bool(unbound(text)) == is_wrong


def test_whatever_installs_wiverno_says_which() -> None:
    """PyPI's 1.0.4 is another author's package: no page, message, example or file that we write installs it."""
    wrong = {}
    for path, text in texts():
        found = unbound(text)
        if path.name.startswith("requirements"):
            found += [line for line in text.splitlines() if re.match(r"wiverno(?!.*>=\s*2)", line)]
        if found:
            wrong[str(path.relative_to(ROOT))] = found
    assert wrong == {}


def test_documents_say_that_it_is_not_published() -> None:
    """The pages that a newcomer reads first say plainly what PyPI has."""
    for page in ("README.md", "docs/start.md"):
        text = " ".join((ROOT / page).read_text().split())
        assert "wiverno 2 is not on PyPI yet" in text
        assert "`wiverno` 1.0.4 there is another author's package" in text
