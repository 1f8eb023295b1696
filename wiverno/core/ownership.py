"""The user and group that serve, and the files that root makes for them.

A process that root has started makes sockets, logs and the pid file before it becomes another user. They belong to that
user from the start. Root opens nothing in the user's own directories that a link could lead elsewhere: what the user
can open is opened as the user, and only a plain file in a directory that is root's is given away.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from wiverno.config.settings import Adjustments
from wiverno.files import SetupError

if os.name == "posix":
    import grp
    import pwd

Owner = tuple[int, int]

ROOT: Final = 0


def owner(user: str | None, group: str | None) -> Owner | None:
    """Return the ids of the user and group that will serve, None if they are those that there are already.

    Raises:
        SetupError: there is no such user or group.
    """
    if os.name != "posix" or (user is None and group is None):
        return None
    entry = user_entry(user) if user is not None else None
    uid, gid = (entry.pw_uid, entry.pw_gid) if entry is not None else (os.geteuid(), os.getegid())
    return uid, gid if group is None else _group(group)


def future_owner(settings: Adjustments) -> Owner | None:
    """Return the ids that this process, which is root's, will have; None if it keeps its own.

    Raises:
        SetupError: there is no such user or group.
    """
    if os.name != "posix" or os.geteuid() != ROOT:
        return None
    found = owner(settings.user, settings.group)
    return found if found != (os.geteuid(), os.getegid()) else None


def user_entry(name: str) -> "pwd.struct_passwd":
    """Return what the system knows of a user.

    Raises:
        SetupError: there is none of that name or number.
    """
    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise SetupError(f"user: there is no user {name!r} on this system") from None


def _group(name: str) -> int:
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise SetupError(f"group: there is no group {name!r} on this system") from None


def groups_of(ids: Owner) -> list[int]:
    """Return the group and the supplementary groups that such a process has."""
    uid, gid = ids
    if uid != ROOT:
        with suppress(KeyError):
            return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    return [gid]


@contextmanager
def acting_as(ids: Owner) -> Iterator[None]:
    """Be another user inside the block; for root only, and while the process has one thread."""
    uid, gid = ids
    groups, own_gid = os.getgroups(), os.getegid()
    os.setgroups(groups_of(ids))
    try:
        os.setegid(gid)
        os.seteuid(uid)
        yield
    finally:
        os.seteuid(ROOT)
        os.setegid(own_gid)
        os.setgroups(groups)


def give_socket(path: str, ids: Owner, mode: int) -> None:
    """Give the file of a Unix socket to another user, with these permissions."""
    os.chown(path, *ids, follow_symlinks=False)
    with acting_as(ids):  # in a directory of that user's, the name may mean another file by now
        Path(path).chmod(mode)


def give_file(fd: int, path: str, ids: Owner) -> bool:
    """Give a file of root's to another user; False if it is not safe to, or if it is a device or a pipe.

    Args:
        fd: the file, open.
        path: its name.
        ids: the user and group.
    """
    found, place = os.fstat(fd), Path(path).parent.stat()
    if (found.st_uid, found.st_gid) == ids:
        return True
    is_plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == ROOT
    others_write = place.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not place.st_mode & stat.S_ISVTX
    if not is_plain or place.st_uid != ROOT or others_write:
        return False
    os.fchown(fd, *ids)
    return True
