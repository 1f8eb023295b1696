"""`wiverno init` writes a project and says what comes next."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from wiverno.cli.group import group


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_lists_what_it_has_written() -> None:
    done = CliRunner().invoke(group, ["init", "shop"])
    assert done.exit_code == 0
    *written, empty, following = done.output.splitlines()
    assert (empty, following) == ("", "Next: cd shop; wiverno run dev   (and: make test)")
    assert written
    assert all(Path(line.strip()).is_file() for line in written)


@pytest.mark.parametrize(("name", "status"), [("shop", 2), ("1 2", 2), ("file/shop", 1)])
def test_what_can_not_be_written_is_named(name: str, status: int) -> None:
    """A folder that is there already, a name that no package can have, and what the system refuses."""
    Path("shop").mkdir()
    Path("shop", "full").touch()
    Path("file").touch()
    done = CliRunner().invoke(group, ["init", name])
    assert done.exit_code == status
    assert done.output.startswith("error: ")
