"""The version is one number everywhere, and the changelog keeps its form."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.specifiers import SpecifierSet

import wiverno

ROOT = Path(__file__).parents[2]


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
        needs = found.metadata["Requires-Python"] or ""
        if found.version == version and not SpecifierSet(needs).contains("3.11.2"):
            wrong[name] = needs
    assert wrong == {}
