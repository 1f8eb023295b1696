"""Generated files: written, or reported when they are outdated."""

from pathlib import Path

import pytest

from wiverno.config.output.generated_file import write_or_check


def test_a_file_is_written_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, missing = str(tmp_path / "page.md"), str(tmp_path / "missing.md")
    assert write_or_check([file], lambda name: f"of {Path(name).name}\n", "make docs") == 0
    assert Path(file).read_text(encoding="utf-8") == "of page.md\n"
    assert write_or_check(["--check", file], lambda name: "of page.md\n", "make docs") == 0
    assert write_or_check(["--check", file, missing], lambda name: "new\n", "make docs") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{file} is outdated: run make docs {file}", f"{missing} is outdated: run make docs {missing}",
    ]  # fmt: skip
