"""Words that may not come back: riddles and personification where the field has a plain word.

The rule and the reasons are in CONTRIBUTING.md ("Plain words"); the glossary in docs/architecture.md has the words to
use. A phrase counts also where it is broken over two lines of a docstring, a comment or a paragraph. Text of waitress
that is quoted word for word would be exempt; none has such a phrase.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.files import ROOT, written_files

HERE: Final = Path(__file__).resolve()

# "a thread of its own" is meant; "exceptions of its own code" says whose they are.
AFTER: Final = r"(?=[^\w\s]|\s+(?:and|as|at|beside|by|for|from|has|in|is|of|on|or|so|that|to|until|where|which|with)\b)"

PHRASES: Final = (
    r"whoever", r"nobody", r"somebody", r"\banew\b", r"under way", r"(?:in|out of) force\b", r"\bheed",
    r"com(?:e|es|ing) by\b",
    r"of no meaning", r"(?:is|are|was|were) to be",
    r"lets? go of", rf"of (?:its|their) own{AFTER}", r"\bowed\b", r"told of",
    r"looks? after", r"in vain", r"mak(?:e|es|ing) way",
)  # fmt: skip
WORDS: Final = re.compile("|".join(phrase.replace(" ", r"[\s#>|]+") for phrase in PHRASES), re.IGNORECASE)

SUFFIXES: Final = (".py", ".md", ".toml", ".ini", ".html", ".json")
NAMES: Final = re.compile(r"[\"']nobody(?:atall)?[\"']")
"""A user of the system, whose name is not a word."""


def files() -> list[Path]:
    """Return the files whose words readers see: package, documents, configurations, tests, benchmarks and examples."""
    return [
        *(path for path in written_files("wiverno", "docs", "configs") if path.suffix in SUFFIXES),
        *(path for path in written_files("tests", "benchmarks", "examples") if path.suffix == ".py" and path != HERE),
        ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md",
    ]  # fmt: skip


def findings(text: str) -> list[str]:
    """Return each phrase of a text that has a plain word, with its line's number."""
    text = NAMES.sub("", text)
    return [f"{text.count(chr(10), 0, match.start()) + 1}: {match.group()!r}" for match in WORDS.finditer(text)]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_words(path: Path) -> None:
    """Texts use the field's words, and none of the phrases that hide who does what."""
    name = str(path.relative_to(ROOT))
    found = findings(path.read_text(encoding="utf-8"))
    assert not found, f"{name}: {', '.join(found)}"


def test_phrases_are_found_over_line_breaks() -> None:
    """A phrase does not hide behind the end of a line, its case, or a comment's mark."""
    assert findings("Whoever waits\n# is to\n# be served\n") == ["1: 'Whoever'", "2: 'is to\\n# be'"]
    assert findings("a rule in force, in forceful use: informed, proceed, heeded") == ["1: 'in force'", "1: 'heed'"]
