"""Files that prove to an ACME server whose host this is (RFC 8555 §8.3), read for the listener that redirects.

An ACME client such as certbot puts the file there and removes it a moment later. A thread that lives as long as there
is something to read opens it, because a network disk that does not answer would hold the leader up. So it neither takes
a thread from the application nor waits for one.
"""

import os
import stat
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from wiverno.files import error_text
from wiverno.foreign_code import guarded_logger
from wiverno.http.redirects import CHALLENGES

logger = guarded_logger("wiverno")

LARGEST: Final = 4096  # bytes; a key authorization has fewer than 200
MAX_WAITING: Final = 64  # requests that may wait while the disk does not answer

# A FIFO would wait for a writer, and a link may lead anywhere.
_FLAGS: Final[int] = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY")
)

OnRead = Callable[[bytes | None], None]
"""Called in the reading thread with the content, None if there is no such file."""


class Challenges:
    """Reads challenge files below one directory; every method may be called from any thread."""

    def __init__(self, webroot: str) -> None:
        """`webroot` is an absolute path, as an ACME client takes it (certbot's --webroot-path)."""
        self._directory = str(Path(webroot, CHALLENGES.strip("/")))
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, OnRead]] = deque()
        self._is_reading = False

    def read(self, token: str, on_read: OnRead) -> bool:
        """Begin to read a file; return False if too many wait, or no thread can be started.

        Args:
            token: its name, checked before: it has no slash and no dot.
            on_read: called with the content.
        """
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                return False
            self._waiting.append((token, on_read))
            if self._is_reading:
                return True
            self._is_reading = True
        try:
            threading.Thread(target=self._run, name="wiverno-challenges", daemon=True).start()
        except (RuntimeError, MemoryError) as error:  # "can't start new thread": a limit of the system
            logger.error("ACME challenges can't be read: %s", error if error.args else "out of memory")
            with self._lock:
                self._is_reading = False
                self._waiting.clear()
            return False
        return True

    def _run(self) -> None:
        """Read until nothing waits."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._is_reading = False
                    return
                token, on_read = self._waiting.popleft()
            try:
                self._answer(token, on_read)
            except BaseException as error:  # without the thread no other challenge would be read either
                logger.error("ACME challenge: internal error", exc_info=error)

    def _answer(self, token: str, on_read: OnRead) -> None:
        content = None
        try:
            content = read_challenge(self._directory, token)
        finally:
            on_read(content)


def read_challenge(directory: str, token: str) -> bytes | None:
    """Return the content of a challenge file, None if there is no such regular file of a sensible size."""
    path = os.path.join(directory, token)
    try:
        fd = os.open(path, _FLAGS)
    except PermissionError as error:
        logger.warning("ACME challenge: %s: %s", error_text(error), path)
        return None
    except OSError:
        return None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            logger.warning("ACME challenge: %s is no file of at most %d bytes", path, LARGEST)
            return None
        return os.read(fd, LARGEST)
    except OSError as error:
        logger.warning("ACME challenge: %s: %s", error_text(error), path)
        return None
    finally:
        os.close(fd)
