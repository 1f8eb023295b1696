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

## 1 MiB up

|  | requests/s | MiB/s |
|---|---:|---:|
| wiverno | 700 | 700 |

## A load that the page has no room for

|  | requests/s |
|---|---:|
| wiverno | 12 |

## Frameworks

|  | requests/s |
|---|---:|
| flask | 900 |
| falcon | 5,000 |
"""


def test_table() -> None:
    """One row a server, a column for each load that fits, a dash where one was not measured; a line for the rest."""
    text = figures.table(RESULTS)
    assert "| | Hello | 1 MiB up |" in text
    assert "| waitress | 10,000 | – |" in text
    assert "| wiverno | 80,000 | 700 |" in text
    assert "no room" not in text
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
