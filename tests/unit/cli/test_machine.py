"""What `wiverno config check` looks for on the machine, and what it only warns of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.programs import require_root
from wiverno.cli.machine import find_missing
from wiverno.config.loader import load
from wiverno.core.ownership import acting_as

OTHER_USER = (65534, 65534)


def missing(folder: Path, settings: str) -> tuple[list[str], list[str]]:
    file = folder / "a.toml"
    file.write_text(f"[server]\n{settings}\n")
    problems, warnings = find_missing(load(file, environ={}))
    return [problem.headline().removeprefix(f"{file}:") for problem in problems], warnings


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ("", []),
        ('chdir = "DIR"', []),
        ('chdir = "DIR/absent"', ["2: chdir: there is no directory DIR/absent"]),
        ('chdir = "DIR/a.toml"', ["2: chdir: DIR/a.toml is no directory"]),
        ('certfile = "DIR/absent"', ["2: certfile: DIR/absent: No such file or directory"]),
        ('certfile = "DIR/a.toml"', ["2: certfile: DIR/a.toml: no PEM certificate or key in it"]),
        ('certfile = "DIR/a.toml"\nkeyfile = "DIR"', ["3: keyfile: DIR: it is a directory, not a file"]),
        pytest.param(
            'user = "absent"\ngroup = "absent"\nchdir = "DIR/absent"',
            [
                "2: user: there is no user 'absent' on this system",
                "3: group: there is no group 'absent' on this system",
                "4: chdir: there is no directory DIR/absent",
            ],
            marks=pytest.mark.skipif(os.name != "posix", reason="no user is entered on Windows"),
        ),
    ],
)
def test_what_is_missing_is_a_problem_with_its_line(tmp_path: Path, settings: str, problems: list[str]) -> None:
    settings = settings.replace("DIR", tmp_path.as_posix())
    assert missing(tmp_path, settings) == ([line.replace("DIR", tmp_path.as_posix()) for line in problems], [])


def test_what_this_user_may_not_read_is_a_warning(tmp_path: Path) -> None:
    """Root may start the server, and another user check its configuration."""
    require_root()
    secret = tmp_path / "secret"
    secret.mkdir(mode=0o700)
    file = tmp_path / "a.toml"
    file.write_text(f'[server]\nchdir = "{secret}/site"\ncertfile = "{secret}/c.pem"\n')
    loaded = load(file, environ={})
    with acting_as(OTHER_USER):
        found = find_missing(loaded)
    rest = "not checked, because this user may not read it"
    assert found == (
        [], [f"chdir: {secret}/site: Permission denied: {rest}", f"certfile: {secret}/c.pem: Permission denied: {rest}"]
    )  # fmt: skip
