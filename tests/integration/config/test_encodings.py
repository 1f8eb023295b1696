"""The encodings of configuration files: every command reads the same text, or refuses it with the same reason."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from tests.support.processes import Child, run, script
from tests.support.sockets import in_url

ASCII = {
    "LC_ALL": "C",
    "LANG": None,
    "LC_CTYPE": None,
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONIOENCODING": None,
}
APPLICATION = """\
def create_app(**settings):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [settings["greeting"].encode()]
    assert settings["greeting"] == "Gr\\xfc\\xdfe", ascii(settings)
    return app
"""
INI = """\
[app:main]
use = egg:wiverno
app = site_app:create_app
factory = true
greeting = Grüße

[server:main]
use = egg:wiverno
listen = 127.0.0.1:0

[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = Grüße! %(message)s
"""
TOML = """\
[app]
use = "site_app:create_app"
factory = true
settings = { greeting = "Grüße" }
[server]
listen = ["127.0.0.1:0"]
"""
COMMANDS = (["config", "check", "--app"], ["run", "--check", "--config"], ["config", "show"], ["config", "convert"])


def marked(text: str) -> bytes:
    """As Notepad and PowerShell write a file: a byte order mark, and CRLF at the lines' ends."""
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


def wiverno(directory: Path, *words: str) -> tuple[int, str, str]:
    """Run a command under an ASCII locale."""
    done = run(["-m", "wiverno", *words], cwd=directory, env=ASCII)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(params=["site.ini", "site.toml"])
def text(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A file's name and its text; the application beside it wants the greeting as it is written there."""
    (tmp_path / "site_app.py").write_text(APPLICATION, encoding="utf-8")
    return request.param, INI if request.param == "site.ini" else TOML


def test_every_command_reads_it_under_an_ascii_locale(tmp_path: Path, text: tuple[str, str]) -> None:
    """Neither a byte order mark nor CRLF nor the locale changes anything."""
    name, content = text
    (tmp_path / name).write_bytes(marked(content))
    for command in COMMANDS:
        status, out, err = wiverno(tmp_path, *command, name)
        assert status == 0, (command, out, err)
        assert "Traceback" not in err


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_every_command_refuses_it_in_the_same_words(tmp_path: Path, text: tuple[str, str], encoding: str) -> None:
    name, content = text
    (tmp_path / name).write_bytes(content.encode(encoding))
    words = "is not UTF-8 text (byte 0xfc)" if encoding == "latin-1" else f"is {encoding.upper()} (little-endian) text"
    for command in COMMANDS[1:]:
        status, _, err = wiverno(tmp_path, *command, name)
        assert (status, words in err, "Traceback" in err) == (2, True, False), (command, err)


def test_a_file_with_a_mark_is_served_under_an_ascii_locale(tmp_path: Path, text: tuple[str, str]) -> None:
    """What `config check` accepts, `wiverno run` serves, and logging is set up from the same text."""
    name, content = text
    (tmp_path / name).write_bytes(marked(content))
    with Child(["-m", "wiverno", "run", "--config", name], cwd=tmp_path, env=ASCII) as child:
        host, port = child.address()
        with urllib.request.urlopen(f"http://{in_url(host)}:{port}/", timeout=20) as answer:
            assert answer.read().decode() == "Grüße"
        assert child.stop() == 0
    assert name == "site.toml" or r"Gr\xfc\xdfe! Serving on" in child.output


def test_variables_are_utf8_under_an_ascii_locale(tmp_path: Path) -> None:
    """`${NAME}` and the settings' own variables bring the text that they were given."""
    (tmp_path / "site_app.py").write_text(APPLICATION, encoding="utf-8")
    (tmp_path / "site.toml").write_text(TOML.replace("Grüße", "${GREETING}"), encoding="utf-8")
    env = {**ASCII, "GREETING": "Grüße"}
    done = run(["-m", "wiverno", "config", "check", "--app", "site.toml"], cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")


def test_pserve_reads_toml_as_utf8(tmp_path: Path) -> None:
    """plaster hands TOML files to wiverno, so the locale does not matter there."""
    (tmp_path / "site_app.py").write_text(APPLICATION, encoding="utf-8")
    (tmp_path / "site.toml").write_bytes(marked(TOML))
    env = {**ASCII, "PYTHONPATH": str(tmp_path)}
    with Child([script("pserve"), "site.toml"], cwd=tmp_path, env=env) as child:
        child.address()
        assert child.stop() == 0


def test_what_pserve_cannot_read_is_a_warning(tmp_path: Path) -> None:
    """pserve itself opens INI files, with the locale's encoding and no understanding of a byte order mark."""
    (tmp_path / "site.ini").write_text(INI, encoding="utf-8")
    assert "but pserve reads it as" in wiverno(tmp_path, "config", "check", "site.ini")[2]
    (tmp_path / "site.ini").write_bytes(marked(INI))
    assert "begins with a byte order mark" in wiverno(tmp_path, "config", "check", "site.ini")[2]


def test_ctl_tells_a_failure_under_an_ascii_locale(tmp_path: Path) -> None:
    """The reason of a failed reload has lines of the file, whatever stands in them."""
    text = TOML.replace("[server]\n", f'[server]\nworkers = 1\nadmin_listen = "unix:{tmp_path}/admin.sock"\n')
    (tmp_path / "site_app.py").write_text(APPLICATION, encoding="utf-8")
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    with Child(["-m", "wiverno", "run", "--config", "site.toml"], cwd=tmp_path, env=ASCII) as child:
        child.wait_for("ready: 1 worker")
        (tmp_path / "site.toml").write_text(text.replace("[server]", "[größe]"), encoding="utf-8")
        (tmp_path / "other.toml").write_text(text, encoding="utf-8")
        status, out, _ = wiverno(tmp_path, "ctl", "--config", "other.toml", "reload")
        assert (status, out) == (1, "")
        status, out, err = wiverno(tmp_path, "ctl", "--config", "other.toml", "status")
        assert (status, "[größe]" in out, err) == (0, True, "")
        assert child.stop() == 0
