"""Dropping root's privileges, after sockets, certificates and log files have been opened."""

import errno
import os

from wiverno.core.ownership import owner, user_entry
from wiverno.files import SetupError

__all__ = ["drop_privileges", "owner"]


def drop_privileges(user: str | None, group: str | None) -> None:
    """Become another user and group for good; do nothing if both are None or the present ones.

    Raises:
        OSError: there is no such user or group, or this process may not become it.
    """
    if user is None and group is None:
        return
    if os.name != "posix":
        raise SetupError(errno.ENOSYS, "user and group can only be changed on POSIX systems")
    wanted = owner(user, group)
    assert wanted is not None
    uid, gid = wanted
    name = user_entry(user).pw_name if user is not None else ""
    if (uid, gid) == (os.geteuid(), os.getegid()):
        return
    try:
        # Groups first: afterwards this process would not be allowed to.
        if name:
            os.initgroups(name, gid)
        else:
            os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    except PermissionError as error:
        raise SetupError(error.errno, f"only root can become user {user or uid}, group {group or gid}") from error
