"""Log files: opened to append, opened again after rotation, also where only root may create them."""

import logging
import logging.handlers
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wiverno.config.settings import Adjustments
from wiverno.core import log_files as module
from wiverno.core.log_files import (
    MODE,
    file_handlers,
    helped_by,
    log_files_belong_to,
    log_paths,
    mode_of,
    open_log,
    prepare_for,
    provide_log_files,
    reopen_log_files,
)

OWNER = (4321, 4322)


@pytest.fixture
def handlers(tmp_path: Path) -> Iterator[list[logging.FileHandler]]:
    """A handler with a file, and one that rotates its file by itself."""
    made = [
        logging.FileHandler(tmp_path / "a.log"),
        logging.handlers.RotatingFileHandler(tmp_path / "b.log"),
    ]
    yield made
    for handler in made:
        handler.close()


class System:
    """Who asks for what; in place of the calls that only root may make."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.acting = False
        self.is_denied = False
        self.is_safe = True
        self.given: list[str] = []
        monkeypatch.setattr(os, "geteuid", lambda: OWNER[0] if self.acting else 0)
        monkeypatch.setattr(module, "acting_as", self.acting_as)
        monkeypatch.setattr(module, "give_file", self.give_file)

    @contextmanager
    def acting_as(self, owner: tuple[int, int]) -> Iterator[None]:
        if self.is_denied:
            raise PermissionError
        self.acting = True
        try:
            yield
        finally:
            self.acting = False

    def give_file(self, fd: int, path: str, owner: tuple[int, int]) -> bool:
        if self.is_safe:
            self.given.append(path)
        return self.is_safe


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    return System(monkeypatch)


def test_a_log_is_appended_to_and_blocks(tmp_path: Path) -> None:
    """It opens without waiting, which matters for a FIFO; what is written then is not lost."""
    (tmp_path / "a.log").write_text("first\n")
    fd = open_log(str(tmp_path / "a.log"))
    os.write(fd, b"second\n")
    assert os.get_blocking(fd)
    os.close(fd)
    assert (tmp_path / "a.log").read_text() == "first\nsecond\n"


def test_a_fifo_without_a_reader_is_an_error_and_no_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="No such device"):
        open_log(str(tmp_path / "fifo"))


def test_reopening_follows_a_file_that_was_moved_away(tmp_path: Path, handlers: list[logging.FileHandler]) -> None:
    """The plain handler writes to a new file; the one that rotates by itself is left alone."""
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    (tmp_path / "b.log").rename(tmp_path / "b.log.1")
    reopen_log_files()
    for handler in handlers:
        handler.emit(logging.makeLogRecord({"msg": "later"}))
    assert (tmp_path / "a.log").read_text() == "later\n"
    assert (tmp_path / "a.log.1").read_text() == ""
    assert not (tmp_path / "b.log").exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_a_handlers_new_file_has_the_old_ones_permissions(
    tmp_path: Path, handlers: list[logging.FileHandler], mode: int
) -> None:
    """A program that reads the log still may after rotation; a file that logrotate has made keeps its own."""
    log = tmp_path / "a.log"
    log.chmod(mode)
    for made in (None, 0o640):
        log.rename(tmp_path / "a.log.1")
        if made is not None:
            log.touch(made)
        reopen_log_files()
        assert stat.S_IMODE(log.stat().st_mode) == mode_of(str(log)) == (made or mode)
    assert mode_of(str(tmp_path / "other.log")) == MODE
    stream = handlers[0].stream
    assert stream is not None
    stream.close()
    assert mode_of(str(log)) == MODE
    handlers[0].stream = None


def test_a_file_that_can_not_be_reopened_is_told_and_kept(
    tmp_path: Path, handlers: list[logging.FileHandler], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.log").unlink()
    (tmp_path / "a.log").mkdir()
    reopen_log_files()
    assert f"{tmp_path}/a.log can't be reopened: Is a directory" in capsys.readouterr().err
    handlers[0].emit(logging.makeLogRecord({"msg": "still written"}))


def test_log_paths_are_the_access_log_and_the_files_of_handlers(
    tmp_path: Path, handlers: list[logging.FileHandler]
) -> None:
    own = {str(tmp_path / "a.log"), str(tmp_path / "b.log")}
    assert own <= set(log_paths(Adjustments.from_keywords(access_log="logging")))
    assert str(tmp_path / "x.log") in log_paths(Adjustments.from_keywords(access_log=str(tmp_path / "x.log")))


def test_a_closed_handler_has_no_file(handlers: list[logging.FileHandler]) -> None:
    handlers[0].close()
    assert handlers[0] not in list(file_handlers())
    assert handlers[1] in list(file_handlers())


def test_a_helper_opens_what_this_process_may_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor, which is root, opens a log for its worker and hands over the descriptor."""

    def deny(path: str, flags: int, mode: int) -> int:
        raise PermissionError

    real = os.open
    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(PermissionError):
        open_log("/a.log")
    asked: list[str] = []

    def help_out(path: str) -> int:
        asked.append(path)
        return real(tmp_path / "a.log", os.O_WRONLY | os.O_CREAT)

    with helped_by(help_out):
        os.close(open_log("/a.log"))
    assert asked == ["/a.log"]
    with pytest.raises(PermissionError):
        open_log("/a.log")


def test_root_opens_logs_as_the_user_who_serves(system: System, tmp_path: Path) -> None:
    """What the user may open is opened as the user; the rest is opened as root and given away."""
    path = str(tmp_path / "a.log")
    with log_files_belong_to(OWNER):
        os.close(open_log(path))
        assert path not in system.given
        system.is_denied = True
        os.close(open_log(path))
        assert path in system.given
        system.is_safe = False
        with pytest.raises(PermissionError, match=r"user 4321 may not write to it \(sudo chown 4321:4322 "):
            open_log(path)


def test_open_files_of_handlers_are_given_away(
    system: System,
    handlers: list[logging.FileHandler],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A handler that rotates by itself is warned of where the user may not write to the directory."""
    monkeypatch.setattr(os, "access", lambda *arguments, **how: False)
    monkeypatch.setattr(module, "file_handlers", lambda: iter(handlers))
    with log_files_belong_to(OWNER):
        assert system.given == [handler.baseFilename for handler in handlers]
    (record,) = caplog.records
    assert "can't rotate its file: user 4321 may not write to" in record.getMessage()
    with log_files_belong_to(None):
        pass


def test_logging_is_set_up_as_the_user_who_serves(system: System, handlers: list[logging.FileHandler]) -> None:
    """What fails as that user is done again as root, whose files are given away."""
    seen: list[bool] = []

    def prepare() -> None:
        seen.append(system.acting)
        if system.acting and len(seen) > 1:
            raise OSError("may not")

    prepare_for(OWNER, prepare)
    assert seen == [True]
    prepare_for(OWNER, prepare)
    assert seen == [True, True, False]
    assert {handler.baseFilename for handler in handlers} <= set(system.given)
    prepare_for(None, lambda: seen.append(system.acting))
    assert seen[-1] is False


def test_rotated_logs_are_made_before_workers_open_them(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FIFO or a directory of that name stays what it is."""
    monkeypatch.setattr(module, "log_paths", lambda settings: [str(tmp_path / name) for name in ("a.log", "fifo")])
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setattr(module, "future_owner", lambda settings: None)
    provide_log_files(Adjustments.from_keywords())
    assert not (tmp_path / "a.log").exists()
    monkeypatch.setattr(module, "future_owner", lambda settings: OWNER)
    provide_log_files(Adjustments.from_keywords())
    assert stat.S_IMODE((tmp_path / "a.log").stat().st_mode) == MODE
    assert (tmp_path / "fifo").is_fifo()
