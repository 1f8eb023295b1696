"""How many examples hypothesis tries: a few in each run, all of them in `make test-long`."""

from hypothesis import settings

SHARE = 4
"""A normal run tries one of so many examples."""

FEWEST = 25


def examples(count: int) -> int:
    """Return how many examples of `count` this run tries; conftest.py loads the profile before tests are imported."""
    limit = settings().max_examples
    return count if limit > FEWEST else max(count // SHARE, min(count, FEWEST))
