"""Every block of every page is executed, in the page's order; every link leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.blocks import blocks, commands
from tests.docs.session import ELSEWHERE, PROSE, Session
from tests.support.processes import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(ROOT.glob("examples/*.md")),
]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


@each_page
def test_blocks(page: Path, tmp_path: Path) -> None:
    """A reader who does what the page says sees what the page says."""
    session = Session(tmp_path, ROOT)
    try:
        for block in blocks(page.read_text(encoding="utf-8")):
            try:
                session.do(block)
            except AssertionError as error:
                message = f"{page.name}:{block.line}: {error}"
                raise AssertionError(message) from error
    except BaseException:
        session.abandon()
        raise
    session.close()


@each_page
def test_links(page: Path) -> None:
    """Links to files of the project name files that exist, and headings that are there."""
    wrong = []
    for link in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"https?:|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            wrong.append(link)
    assert wrong == []


def without_code(text: str) -> str:
    """A page without its blocks and its inline code."""
    return re.sub(r"`[^`\n]+`", "", BLOCK.sub("", text))


def anchors(text: str) -> set[str]:
    """The names that GitHub and Sphinx give a page's headings."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", BLOCK.sub("", text), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found


def test_what_is_not_executed_is_listed() -> None:
    """Each exception is still in use: nothing stays excepted for no page's sake."""
    typed = [
        command.text
        for page in PAGES
        for block in blocks(page.read_text(encoding="utf-8"))
        if block.language == "console"
        for command in commands(block.text)
    ]
    unused = [pattern for pattern in ELSEWHERE if not any(re.match(pattern, text) for text in typed)]
    assert unused == []
    assert {"python", "toml", "ini", "console"}.isdisjoint(PROSE)
