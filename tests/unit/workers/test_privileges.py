"""Dropping root's privileges: for good, and not by halves."""

from __future__ import annotations

import os
import pwd

import pytest

from tests.support.forking import run_in_child
from tests.support.programs import require_root
from wiverno.files import SetupError
from wiverno.workers.privileges import drop_privileges


def test_nothing_to_change() -> None:
    """No names, or those of this process."""
    before = os.getresuid(), os.getresgid(), os.getgroups()
    drop_privileges(None, None)
    drop_privileges(str(os.geteuid()), str(os.getegid()))
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before


def test_a_user_that_does_not_exist() -> None:
    with pytest.raises(SetupError, match="no-such-user"):
        drop_privileges("no-such-user", None)


@pytest.mark.parametrize("group", [None, "nogroup"])
def test_a_user(group: str | None) -> None:
    """All ids and groups are the user's, and root can't come back; then another user is an error."""
    require_root()
    entry = pwd.getpwnam("nobody")

    def child() -> None:
        drop_privileges("nobody", group)
        assert os.getresuid() == (entry.pw_uid,) * 3
        assert os.getresgid() == (entry.pw_gid,) * 3
        assert set(os.getgroups()) <= {entry.pw_gid}
        with pytest.raises(PermissionError):
            os.setuid(0)
        with pytest.raises(SetupError, match="only root can become user root"):
            drop_privileges("root", None)

    assert run_in_child(child) == (0, "")


def test_a_group_alone() -> None:
    require_root()

    def child() -> None:
        drop_privileges(None, "nogroup")
        assert os.getgroups() == [os.getgid()]
        assert os.getuid() == 0

    assert run_in_child(child) == (0, "")
