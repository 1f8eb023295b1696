"""Giving up root: the user and group that serve. Sockets and certificates have been opened before."""

import errno
import os

from wiverno.files import SetupError

if os.name == "posix":
    import grp
    import pwd


def owner(user: str | None, group: str | None) -> tuple[int, int] | None:
    """Return the ids of the user and group that will serve, None if they are those that there are already.

    Raises:
        OSError: there is no such user or group.
    """
    if os.name != "posix" or (user is None and group is None):
        return None
    entry = _user(user) if user is not None else None
    uid, gid = (entry.pw_uid, entry.pw_gid) if entry is not None else (os.geteuid(), os.getegid())
    return uid, gid if group is None else _group(group)


def drop_privileges(user: str | None, group: str | None) -> None:
    """Become another user and group for good; nothing happens where both are None or already so.

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
    name = _user(user).pw_name if user is not None else ""
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


def _user(name: str) -> "pwd.struct_passwd":
    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise SetupError(errno.EINVAL, f"user: there is no user {name!r} on this system") from None


def _group(name: str) -> int:
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise SetupError(errno.EINVAL, f"group: there is no group {name!r} on this system") from None
