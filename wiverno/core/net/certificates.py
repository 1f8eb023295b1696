"""Certificate files → a context for handshakes that can be renewed while the server runs.

The files are read in a separate thread. A path may lead to a FIFO, a device, or a file of a network disk that does not
answer: reading it may never return, and neither may stat(2). So the leader only begins to read; a start, a reload and
the start of a worker wait for a bounded time. A thread that hangs is abandoned, the current certificates are kept, and
no other thread is started before it returns.

A process that has given root's rights up may not be allowed to read the key again. One process asks its keeper for the
contents (`read_with`); workers are replaced by their supervisor, so theirs never change (`is_fixed`).
"""

import contextlib
import hashlib
import os
import ssl
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from wiverno.config.settings import Adjustments
from wiverno.core.loop.event_loop import Loop
from wiverno.core.loop.timers import Repeating
from wiverno.files import SetupError, error_text, make_absolute
from wiverno.foreign_code import guarded_logger

logger = guarded_logger("wiverno")

# TLS 1.2 with forward secrecy and authenticated encryption only (RFC 9325 §4.2); 1.3 has no other ciphers.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
# OpenSSL has the kernel encrypt and decrypt where it can; the attribute is there since Python 3.12.
KERNEL_TLS: Final = getattr(ssl, "OP_ENABLE_KTLS", 0)
UPPER_PROTOCOLS: Final = Path("/proc/sys/net/ipv4/tcp_available_ulp")
CHECK_INTERVAL: Final = 2.0  # seconds between two checks of the certificate files
READ_TIMEOUT: Final = 5.0  # seconds that a start or a reload waits for the files
LARGEST: Final = 16 << 20  # bytes; all authorities of an operating system are a quarter of a megabyte

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CLIENTS: Final = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_KINDS: Final = {
    stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}  # fmt: skip


ReadFiles = Callable[[], Sequence[bytes]]
"""Returns the contents of the files; may raise OSError."""


class Certificates:
    """The context of new connections; the attribute changes, a context does not.

    Attributes:
        context: made of the files when they were last read without an error.
        is_fixed: whether the files are not read again.
    """

    context: ssl.SSLContext

    def __init__(self, settings: Adjustments) -> None:
        """Read the files.

        Raises:
            SetupError: one of them can't be read in time or used; the message names it.
        """
        self._settings = settings
        # The application may change the current directory before they are read again.
        self._certfile = make_absolute(settings.certfile or "")
        self._keyfile = make_absolute(settings.keyfile) if settings.keyfile else None
        self._ca_certs = make_absolute(settings.ca_certs) if settings.ca_certs else None
        self.is_fixed = False
        self._read_files: ReadFiles | None = None
        self._seen: tuple[object, ...] | None = None
        self._helped: tuple[object, ...] | None = None
        self._error: BaseException | None = None
        self._has_warned = False
        if settings.kernel_tls and not has_kernel_tls():
            logger.warning("kernel_tls has no effect: it needs Python 3.12, and Linux with its module tls loaded")
        self._reading = threading.Thread(target=self._read_first, name="wiverno-certificates", daemon=True)
        self._reading.start()
        self._reading.join(READ_TIMEOUT)
        if self._reading.is_alive():
            raise SetupError(f"certfile {self._names}: could not be read within {READ_TIMEOUT:g} s")
        if self._error is not None:
            raise self._error

    @property
    def files(self) -> tuple[str, ...]:
        """The absolute paths of the files."""
        return tuple(name for name in (self._certfile, self._keyfile, self._ca_certs) if name is not None)

    @property
    def _names(self) -> str:
        return ", keyfile ".join(name for name in (self._settings.certfile, self._settings.keyfile) if name)

    def read_with(self, read_files: ReadFiles) -> None:
        """Read the files with another process's help from now on; call it while this one may still read them.

        Raises:
            OSError: it may not.
        """
        self._helped = _digests([Path(name).read_bytes() for name in self.files])
        self._read_files = read_files

    def renew(self, *, only_if_changed: bool = False, wait: float = 0.0) -> None:
        """Begin to read the files again; from any thread. An error is only logged.

        Open connections keep their certificates.

        Args:
            only_if_changed: only if a file has been replaced or changed since.
            wait: seconds to wait for the result; a thread that hangs already is not waited for.
        """
        if self.is_fixed:
            return
        if self._reading.is_alive():
            if not self._has_warned:
                self._has_warned = True
                logger.error("keeping the current certificates: certfile %s: still being read", self._names)
            return
        self._has_warned = False
        thread = threading.Thread(
            target=self._read_again, args=(only_if_changed,), name="wiverno-certificates", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # "can't start new thread": a limit of the system
            logger.error("keeping the current certificates: %s", error)
            return
        self._reading = thread
        thread.join(wait)

    # ---------------------------------------------------------------- in the reading thread

    def _read_first(self) -> None:
        try:
            self._seen = self._state()
            self.context = self._new_context(self.files)
        except BaseException as error:  # noqa: BLE001 - the thread that waits for this one raises it
            self._error = error

    def _read_again(self, only_if_changed: bool) -> None:
        if self._read_files is not None:
            self._read_with_help(self._read_files, only_if_changed)
            return
        state = self._state()
        if only_if_changed and state == self._seen:
            return
        self._seen = state
        self._replace_context(self.files)

    def _read_with_help(self, read_files: ReadFiles, only_if_changed: bool) -> None:
        """Read the files with the help of a process that may."""
        contents: Sequence[bytes] = ()
        try:
            contents = read_files()
            state = _digests(contents)
        except OSError as error:
            state = (error_text(error),)
        seen, self._helped = self._helped, state
        if only_if_changed and state == seen:
            return
        if not contents:
            logger.error("keeping the current certificates: %s", state[0])
            return
        try:
            with named_in_memory(contents) as paths:
                self._replace_context(paths)
        except OSError as error:
            logger.error("keeping the current certificates: %s", error_text(error))

    def _replace_context(self, paths: Sequence[str]) -> None:
        try:
            self.context = self._new_context(paths)
        except OSError as error:
            logger.error("keeping the current certificates: %s", error)
        else:
            logger.info("certificates read from %s", self._settings.certfile)

    def _state(self) -> tuple[object, ...]:
        """Return values that change when a file does."""
        state: list[object] = []
        for name in self.files:
            with contextlib.suppress(OSError):
                found = Path(name).stat()
                state.append((name, found.st_mtime_ns, found.st_size, found.st_ino))
        return tuple(state)

    def _new_context(self, paths: Sequence[str]) -> ssl.SSLContext:
        """Make a context of the files, which `paths` has in the order of `files`."""
        settings = self._settings
        rest = list(paths)
        certfile = rest.pop(0)
        keyfile = rest.pop(0) if self._keyfile is not None else None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[settings.tls_min_version]
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_SINGLE_ECDH_USE
        if settings.kernel_tls:
            context.options |= KERNEL_TLS
        context.set_ciphers(CIPHERS)
        context.set_alpn_protocols(["h2", "http/1.1"] if settings.http2 else ["http/1.1"])
        _require_file(f"certfile {settings.certfile}", certfile)
        if keyfile is not None:
            _require_file(f"keyfile {settings.keyfile}", keyfile)
        try:
            # An encrypted key would ask for its password on the terminal.
            context.load_cert_chain(certfile, keyfile, password=lambda: b"")
        except (OSError, ValueError) as error:
            raise SetupError(f"certfile {self._names}: {_reason(error)}") from error
        if rest:
            _require_file(f"ca_certs {settings.ca_certs}", rest[0])
            try:
                context.load_verify_locations(rest[0])
            except OSError as error:
                raise SetupError(f"ca_certs {settings.ca_certs}: {_reason(error)}") from error
        context.verify_mode = _CLIENTS[settings.client_cert]
        return context


def _digests(contents: Sequence[bytes]) -> tuple[object, ...]:
    """Return values that change when the contents do."""
    return tuple(hashlib.sha256(content).digest() for content in contents)


@contextlib.contextmanager
def named_in_memory(contents: Sequence[bytes]) -> Iterator[list[str]]:
    """Give contents names inside the block, because OpenSSL's contexts are made of files.

    Raises:
        OSError: the system has no files in memory.
    """
    with contextlib.ExitStack() as stack:
        paths = []
        for content in contents:
            fd = os.memfd_create("wiverno")
            stack.callback(os.close, fd)
            os.write(fd, content)
            paths.append(f"/proc/self/fd/{fd}")
        yield paths


def _require_file(name: str, path: str) -> None:
    """Reject a path that is not a file of a sensible size; `name` is used in messages.

    Raises:
        SetupError: it is something else, or can't be examined.
    """
    try:
        found = Path(path).stat()
    except OSError as error:
        raise SetupError(f"{name}: {_reason(error)}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise SetupError(f"{name}: it is {kind}, not a file")
    if found.st_size > LARGEST:
        raise SetupError(f"{name}: it has {found.st_size} bytes, more than any certificate ({LARGEST})")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        words = (error.reason or "").lower().replace("_", " ")
        return {
            "key values mismatch": "the key does not belong to the certificate",
            "no start line": "no PEM certificate or key in it",
            "bad decrypt": "the key is encrypted; decrypt it: openssl pkey -in key.pem -out plain.pem",
            "bad password read": "the key is encrypted; decrypt it: openssl pkey -in key.pem -out plain.pem",
        }.get(words, words or "no PEM certificate or key in it")
    return error_text(error)


def has_kernel_tls() -> bool:
    """Tell whether this Python and this kernel can leave the encryption to the kernel."""
    try:
        return bool(KERNEL_TLS) and "tls" in UPPER_PROTOCOLS.read_text().split()
    except OSError:
        return False


def watch_certificates(certificates: Certificates, loop: Loop) -> None:
    """Check the certificate files now and every two seconds, and read them again when they change."""
    Repeating(loop, CHECK_INTERVAL, lambda: certificates.renew(only_if_changed=True), at_once=True)
