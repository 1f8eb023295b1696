"""Files on Windows: opened so that others may rename or remove them meanwhile, and locked for one process.

`open` and `os.open` of Python let no program rename or remove a file while it is open, so a log could not be rotated.
The module is imported on Windows only.
"""

import ctypes
import errno
import os
import sys
from typing import Final

assert sys.platform == "win32"

import msvcrt  # noqa: E402 - after the assertion, so that type checkers skip the module elsewhere

LOCKED_BYTE: Final = 1 << 30  # of a file that is locked: far behind its end, because a locked byte can't be read

_APPEND: Final = 0x0004 | 0x0080 | 0x100000  # FILE_APPEND_DATA, FILE_READ_ATTRIBUTES, SYNCHRONIZE
_SHARED: Final = 0x1 | 0x2 | 0x4  # FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE
_OPEN_ALWAYS: Final = 4
_ATTRIBUTES: Final = 0x80  # FILE_ATTRIBUTE_NORMAL
_INVALID: Final = ctypes.c_void_p(-1).value

_create_file = ctypes.WinDLL("kernel32", use_last_error=True).CreateFileW
_create_file.restype = ctypes.c_void_p
_number = ctypes.c_ulong
_create_file.argtypes = (ctypes.c_wchar_p, _number, _number, ctypes.c_void_p, _number, _number, ctypes.c_void_p)


def open_to_append(path: str) -> int:
    """Open a file to append bytes to, or create it, and return its descriptor; it may be renamed while it is open.

    Raises:
        OSError: it can't be opened.
    """
    handle = _create_file(path, _APPEND, _SHARED, None, _OPEN_ALWAYS, _ATTRIBUTES, None)
    if handle in (None, _INVALID):
        raise ctypes.WinError(ctypes.get_last_error())
    return msvcrt.open_osfhandle(handle, os.O_APPEND | os.O_WRONLY | os.O_BINARY | os.O_NOINHERIT)


def lock_file(fd: int) -> None:
    """Lock a file for this process, as long as it is open.

    Raises:
        PermissionError: another process has locked it.
    """
    position = os.lseek(fd, 0, os.SEEK_CUR)
    os.lseek(fd, LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
    except OSError as error:  # Wine does not say which
        raise PermissionError(errno.EACCES, "another process has locked the file") from error
    finally:
        os.lseek(fd, position, os.SEEK_SET)
