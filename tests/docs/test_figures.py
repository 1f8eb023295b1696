"""The README's figures are those of the last benchmark."""

import pytest

from tests.docs import figures

RESULTS = """\
# Results

## Targets

| quantity | measured | must |
|---|---:|---:|
| hello | 2 | 1 |

## Hello

What it is.

|  | requests/s | p50 ms |
|---|---:|---:|
| waitress | 10,000 | 5 |
| wiverno | 80,000 | 1 |

## Upload

|  | requests/s | MiB/s |
|---|---:|---:|
| wiverno | 700 | 700 |

## Frameworks

|  | requests/s |
|---|---:|
| flask | 900 |
| falcon | 5,000 |
"""


def test_table() -> None:
    """One row a server, one column a load, a dash where a server was not measured; other things have a line each."""
    text = figures.table(RESULTS)
    assert "| | Hello | Upload |" in text
    assert "| waitress | 10,000 | – |" in text
    assert "| wiverno | 80,000 | 700 |" in text
    assert "- Frameworks: flask 900 · falcon 5,000\n" in text


def test_filling() -> None:
    """Only what stands between the markers changes, and filling twice changes nothing."""
    page = "before\n<!-- figures: begin (x) -->\nold\n<!-- figures: end -->\nafter\n"
    once = figures.filled(page, RESULTS)
    assert once.startswith("before\n<!-- figures: begin (x) -->\n")
    assert once.endswith("<!-- figures: end -->\nafter\n")
    assert "old" not in once
    assert figures.filled(once, RESULTS) == once
    with pytest.raises(ValueError, match="no markers"):
        figures.filled("nothing", RESULTS)


def test_readme_is_in_step() -> None:
    """README.md has the figures of benchmarks/RESULTS.md."""
    assert figures.main(["--check"]) == 0
