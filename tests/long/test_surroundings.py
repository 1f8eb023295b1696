"""What real programs and operators do to the process around wiverno: it keeps serving, or ends and says so."""

import pytest

from tests.long.surroundings import ROWS, Row

pytestmark = [pytest.mark.long, pytest.mark.alone]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.meaning)
def test_a_row(row: Row) -> None:
    seen = row.probe("wiverno")
    assert seen.is_good, seen.text
