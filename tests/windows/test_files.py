"""Files of Windows: drive letters, backslashes, CRLF, code pages; logs and temporary files that are open meanwhile."""

import re
from pathlib import Path

import pytest

from tests.support.engine_child import get
from tests.support.processes import Child
from tests.support.sockets import RawClient, free_port
from tests.support.waiting import wait_until
from tests.windows.programs import ROOT, SITE, STARTED, curl, on_z, run, start, url

TOML = """\
[app]
use = "{site}"

[server]
listen = "127.0.0.1:0"
access_log = '{folder}\\access.log'
access_log_format = "common"
pid_file = '{folder}\\wiverno.pid'
admin_listen = "127.0.0.1:{admin}"
"""

INI = """\
[app:main]
use = egg:wiverno
app = {site}

[server:main]
use = egg:wiverno
listen = 127.0.0.1:0
access_log = {folder}\\access.log
access_log_format = common
pid_file = %(here)s\\wiverno.pid
admin_listen = 127.0.0.1:{admin}
"""


def configured(folder: Path, form: str = "toml", *, admin: int = 0, encoding: str = "utf-8") -> Path:
    """Write a configuration as editors of Windows do, with CRLF."""
    folder.mkdir(exist_ok=True)
    file = folder / f"server.{form}"
    text = {"toml": TOML, "ini": INI}[form].format(site=SITE, folder=on_z(folder), admin=admin)
    file.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    return file


def started(file: Path) -> Child:
    """Serve a configuration by its name with a drive letter."""
    return start("-m", "wiverno", "run", "--config", on_z(file))


@pytest.mark.parametrize("form", ["toml", "ini"])
@pytest.mark.parametrize("name", ["plain", "with space and ümläut"])
def test_drive_letters_backslashes_and_crlf(form: str, name: str, tmp_path: Path) -> None:
    """TOML's literal strings and INI take paths of Windows as they are; log and pid file are where they say."""
    folder = tmp_path / name
    with started(configured(folder, form)) as child:
        assert curl(url(child)) == b"Hello\n"
        line = wait_until((folder / "access.log").read_bytes, what="a line in the access log")
        assert re.fullmatch(rb'127\.0\.0\.1 - - \[[^]]+\] "GET / HTTP/1\.1" 200 6\n', line)
        assert (folder / "wiverno.pid").read_bytes().strip().isdigit()
        assert b"\r" not in (folder / "wiverno.pid").read_bytes()


def test_a_path_in_a_basic_string_is_a_mistake_in_words(tmp_path: Path) -> None:
    """Backslashes in TOML's double quotes are escapes; the message shows the line and how to write a path."""
    file = tmp_path / "wrong.toml"
    file.write_bytes(b'[server]\r\naccess_log = "C:\\logs\\access.log"\r\n')
    status, output = run("-m", "wiverno", "config", "check", "--config", on_z(file))
    assert status == 2
    assert "wrong.toml:2" in output
    assert "single quotes" in output


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", ["toml", "ini"])
def test_what_editors_and_shells_of_windows_write(form: str, encoding: str, tmp_path: Path) -> None:
    """Notepad's byte order mark is accepted or refused in words, and so is UTF-16, which PowerShell's > writes."""
    file = configured(tmp_path / "project", form, encoding=encoding)
    status, output = run("-m", "wiverno", "config", "check", "--config", on_z(file))
    assert "Traceback" not in output
    assert status == (0 if encoding == "utf-8-sig" else 2), output
    if status:
        assert "UTF-8" in output


@pytest.mark.parametrize("page", ["cp437", "cp1252", "cp932", "utf-8"])
def test_code_pages(page: str, tmp_path: Path) -> None:
    """Names and values that a console's code page lacks are printed, escaped where need be, and never end a command."""
    file = tmp_path / "prüfung-価格.toml"
    file.write_text('[server]\r\nident = "x"\r\nthreads = "vier – 四"\r\n', encoding="utf-8", newline="")
    env = {"PYTHONIOENCODING": page}
    for words in (["config", "check", "--config", on_z(file)], ["run", "--config", on_z(file)]):
        status, output = run("-m", "wiverno", *words, env=env)
        assert status == 2, output
        assert "Traceback" not in output
        assert "threads: expected a whole number" in output
    status, output = run("-m", "wiverno", "config", "explain", "threads", env=env)
    assert status == 0, output


def test_an_open_log_is_renamed_and_opened_again(tmp_path: Path) -> None:
    """Log rotation: rename, then `wiverno ctl reopen`; Windows has no SIGUSR1. `ctl stop` finishes and ends."""
    port = free_port()
    place = f"127.0.0.1:{port}"
    file = configured(tmp_path, admin=port)
    with started(file) as child:
        assert curl(url(child)) == b"Hello\n"
        log = on_z(tmp_path / "access.log")
        status, output = run("-c", f"import os; os.rename({log!r}, {log!r} + '.1')")
        assert status == 0, output
        status, output = run("-m", "wiverno", "ctl", "reopen", "--config", on_z(file))
        assert (status, output.strip()) == (0, "reopening the log files")
        wait_until((tmp_path / "access.log").exists, what="the log to be opened again")
        assert curl(url(child, "/again")) == b"Hello\n"
        wait_until(lambda: b"/again" in (tmp_path / "access.log").read_bytes(), what="a line in the new log")
        assert b"/again" not in (tmp_path / "access.log.1").read_bytes()
        status, output = run("-m", "wiverno", "ctl", "status", "--admin", place)
        assert status == 0, output
        assert "ready" in output
        assert run("-m", "wiverno", "ctl", "stop", "--admin", place)[0] == 0
        assert child.wait(STARTED) == 0
    assert not (tmp_path / "wiverno.pid").exists()


def test_a_pid_file_belongs_to_one_server(tmp_path: Path) -> None:
    """The lock, not the number, says whether another server runs: after a kill the file is free."""
    file = configured(tmp_path)
    with started(file) as first:
        url(first)
        with started(file) as second:
            assert second.wait(STARTED) == 1
            assert re.search(r"process \d+ runs and has its id in .*wiverno\.pid", second.output)
        first.process.kill()
        first.process.wait()
    assert (tmp_path / "wiverno.pid").exists()
    with started(file) as third:
        assert curl(url(third)) == b"Hello\n"


def test_temporary_files_are_removed(tmp_path: Path) -> None:
    """Bodies and responses that went to disk leave nothing behind, although an open file can't be removed there."""
    upload = tmp_path / "body"
    upload.write_bytes(b"x" * (3 << 20))
    temporary = tmp_path / "temp"
    temporary.mkdir()
    env = {"TEMP": on_z(temporary), "TMP": on_z(temporary)}
    options = ["--inbuf-overflow", "1000", "--outbuf-overflow", "1000"]
    with start("-m", "wiverno", "run", SITE, "--listen", "127.0.0.1:0", *options, env=env) as child:
        assert curl("--data-binary", f"@{upload}", url(child, "/upload")).startswith(b"3145728 ")
        assert len(curl("--limit-rate", "8M", url(child, "/download?80"))) == 5 << 20
        wait_until(lambda: not list(temporary.iterdir()), what="the temporary files to be removed")


def test_a_static_mount(tmp_path: Path) -> None:
    """A directory by its name of Windows is served, and nothing outside of it by any of Windows' spellings."""
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "page.txt").write_bytes(b"public" * 100_000)
    (tmp_path / "secret.txt").write_text("secret")
    file = configured(tmp_path)
    mount = f"\r\n[[static]]\r\npath = '/static'\r\ndirectory = '{on_z(tmp_path / 'public')}'\r\n"
    file.write_bytes(file.read_bytes() + mount.encode())
    with started(file) as child:
        assert curl(url(child, "/static/page.txt")) == b"public" * 100_000
        assert curl("--range", "6-11", url(child, "/static/page.txt")) == b"public"
        for path in (
            "../secret.txt",
            "..%5csecret.txt",
            "Z:%5csecret.txt",
            "CON",
            "page.txt::$DATA",
            "page.txt.",
            "%20",
        ):
            with RawClient(child.address(), timeout=STARTED) as client:
                client.send(get(f"/static/{path}"))
                assert client.response()[0] == 404, path


def test_what_windows_lacks_is_refused_in_words() -> None:
    """Workers, Unix sockets and users: one line that says what is missing, status 1."""
    for options, words in {
        ("--workers", "2"): "workers need fork(), which this system does not have: leave workers at 0",
        ("--unix-socket", "x.sock"): "Unix sockets are not available on this system",
        ("--user", "nobody"): "can only be changed on POSIX systems",
        ("--poller", "epoll"): "this system has no epoll; auto takes what there is",
    }.items():
        listen = [] if "--unix-socket" in options else ["--listen", "127.0.0.1:0"]
        status, output = run("-m", "wiverno", "run", SITE, *listen, *options, cwd=ROOT)
        assert status == 1, output
        assert words in output
        assert "Traceback" not in output
