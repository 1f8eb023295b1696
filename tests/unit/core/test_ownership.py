"""Users, groups and the files that root gives away, on a system that the test makes up where root is needed."""

import grp
import os
import pwd
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from wiverno.config.settings import Adjustments
from wiverno.core import ownership
from wiverno.core.ownership import acting_as, future_owner, give_file, give_socket, groups_of, owner, user_entry
from wiverno.files import SetupError

ME = (os.geteuid(), os.getegid())
USER, GROUP = 4321, 4322


class Identity:
    """The ids of a process of root's, and what becomes of files; in place of calls of `os`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, object]] = []
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(os, "getegid", lambda: 0)
        monkeypatch.setattr(os, "getgroups", lambda: [0, 5])
        for name in ("setgroups", "setegid", "seteuid"):
            monkeypatch.setattr(os, name, lambda value, name=name: self.calls.append((name, value)))
        monkeypatch.setattr(os, "chown", lambda path, uid, gid, **how: self.calls.append(("chown", (path, uid, gid))))


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Identity:
    return Identity(monkeypatch)


def settings(user: str | None, group: str | None = None) -> Adjustments:
    return Adjustments.from_keywords(user=user, group=group)


@pytest.mark.parametrize(
    ("user", "group", "expected"),
    [
        (None, None, None),
        (pwd.getpwuid(0).pw_name, None, (0, pwd.getpwuid(0).pw_gid)),
        ("0", None, (0, pwd.getpwuid(0).pw_gid)),
        (None, "4322", (ME[0], GROUP)),
        ("root", grp.getgrgid(0).gr_name, (0, 0)),
    ],
)
def test_users_and_groups_by_name_or_number(
    user: str | None, group: str | None, expected: tuple[int, int] | None
) -> None:
    """A user without a group has its own one of the system's database."""
    assert owner(user, group) == expected


@pytest.mark.parametrize(
    ("user", "group", "words"),
    [
        ("no-such-user", None, "user: there is no user 'no-such-user' on this system"),
        ("999999999", None, "user: there is no user '999999999' on this system"),
        (None, "no-such-group", "group: there is no group 'no-such-group' on this system"),
    ],
)
def test_unknown_names_are_told(user: str | None, group: str | None, words: str) -> None:
    with pytest.raises(SetupError, match=words):
        owner(user, group)


@pytest.mark.parametrize(
    ("euid", "group", "expected"), [(1000, "4322", None), (0, "4322", (0, GROUP)), (0, "0", None), (0, None, None)]
)
def test_only_root_becomes_another_user(
    root: Identity, euid: int, group: str | None, expected: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is returned for ids that the process has already."""
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(os, "getegid", lambda: 0)
    assert future_owner(settings(None, group)) == expected


def test_supplementary_groups_are_the_users() -> None:
    name = user_entry("0").pw_name
    assert groups_of((0, 7)) == [7]
    assert groups_of((999999999, 7)) == [7]
    other = next((entry for entry in pwd.getpwall() if entry.pw_uid != 0), None)
    assert name
    assert other is None or 7 in groups_of((other.pw_uid, 7))


def test_acting_as_another_user_ends_with_the_block(root: Identity) -> None:
    """Groups first and the user last, and the other way round at the end, also after an exception."""

    def act() -> None:
        with acting_as((USER, GROUP)):
            root.calls.append(("inside", None))
            raise ValueError("meant")

    with pytest.raises(ValueError, match="meant"):
        act()
    assert root.calls == [
        ("setgroups", [GROUP]), ("setegid", GROUP), ("seteuid", USER), ("inside", None),
        ("seteuid", 0), ("setegid", 0), ("setgroups", [0, 5]),
    ]  # fmt: skip


def test_a_socket_gets_its_permissions_from_its_new_owner(root: Identity, tmp_path: Path) -> None:
    """Root changes no permissions in a directory of the user's, where a link could lead elsewhere."""
    path = tmp_path / "a.sock"
    path.touch()
    give_socket(str(path), (USER, GROUP), 0o660)
    assert root.calls[0] == ("chown", (str(path), USER, GROUP))
    assert ("seteuid", USER) in root.calls
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


@pytest.mark.parametrize(
    ("changes", "place", "is_given"),
    [
        ({}, {}, True),
        ({"st_uid": USER, "st_gid": GROUP}, {"st_uid": USER}, True),
        ({"st_nlink": 2}, {}, False),
        ({"st_uid": 1000}, {}, False),
        ({"st_mode": stat.S_IFIFO | 0o600}, {}, False),
        ({}, {"st_uid": 1000}, False),
        ({}, {"st_mode": stat.S_IFDIR | 0o777}, False),
        ({}, {"st_mode": stat.S_IFDIR | 0o775}, False),
        ({}, {"st_mode": stat.S_IFDIR | stat.S_ISVTX | 0o777}, True),
    ],
    ids=[
        "root's own", "the user's already", "another link", "another user's", "a FIFO", "another user's directory",
        "a directory of all", "a directory of a group", "/tmp",
    ],
)  # fmt: skip
def test_only_a_plain_file_in_a_directory_of_roots_is_given_away(
    changes: dict[str, int], place: dict[str, int], is_given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = {"st_uid": 0, "st_gid": 0, "st_nlink": 1, "st_mode": stat.S_IFREG | 0o640, **changes}
    folder = {"st_uid": 0, "st_mode": stat.S_IFDIR | 0o755, **place}
    calls: list[tuple[int, int]] = []
    system = SimpleNamespace(
        fstat=lambda fd: SimpleNamespace(**file), fchown=lambda fd, uid, gid: calls.append((uid, gid))
    )
    monkeypatch.setattr(ownership, "os", system)

    class Place:
        def __init__(self, path: str) -> None:
            self.parent = self

        def stat(self) -> SimpleNamespace:
            return SimpleNamespace(**folder)

    monkeypatch.setattr(ownership, "Path", Place)
    assert give_file(3, "/logs/a.log", (USER, GROUP)) == is_given
    assert calls == ([(USER, GROUP)] if is_given and "st_gid" not in changes else [])
