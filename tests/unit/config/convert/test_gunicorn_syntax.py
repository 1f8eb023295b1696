"""gunicorn.conf.py files in the shapes of public ones, read without running them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.convert.converter import convert, convert_command
from wiverno.config.convert.gunicorn_syntax import read_gunicorn_syntax
from wiverno.config.errors import ConfigError
from wiverno.config.loader import load


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def converted(text: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return the tables, the notes and the remarks; the result is a valid configuration."""
    Path("g.py").write_text(text)
    result = convert("g.py")
    Path("out.toml").write_text(result.text)
    load("out.toml", environ={"PORT": "81"})
    notes = [note.headline() for note in result.notes]
    return tomllib.loads(result.text), notes, [remark.headline() for remark in result.remarks]


MOVE = "put the function into a module, such as hooks.py, and name it:"

COMMON = """
import multiprocessing, os, sys
from gevent import monkey
import structlog
monkey.patch_all()
sys.exit(1)
cores = multiprocessing.cpu_count()
bind = "0.0.0.0:" + os.environ.get("PORT", "8000")
workers = cores * 2 + 1
threads: int = int(os.getenv("THREADS") or 4)
worker_class = "gthread"
wsgi_app = "shop.wsgi"
timeout, keepalive = 120, 5
max_requests = 1000
max_requests += 500
max_requests_jitter = 50
accesslog = errorlog = "-"
loglevel = os.environ.get("LOG_LEVEL", "INFO").lower()
worker_tmp_dir = "/dev/shm"
proc_name = "shop"
preload_app = bool(1)
raw_env = ["TZ=UTC", "SECRET=%s" % os.environ.get("SECRET", "")]
if __name__ == "__main__":
    workers = 99
if sys.platform == "darwin":
    workers = 98
if False:
    workers = 97
else:
    backlog = 64
try:
    import shop_settings
except ImportError:
    pass
with open("x") as f:
    pass
class logger_class:
    pass
def when_ready(server):
    open("/tmp/ready", "w").close()
def worker_int(worker):
    pass
"""


def test_a_common_file() -> None:
    """What public files do most: the environment, processors, arithmetic, imports of what is not here, hooks."""
    tables, notes, remarks = converted(COMMON)
    server = tables["server"]
    count = server.pop("workers")
    assert (
        f"g.py:9: workers: is computed from the number of processors; {count} is the value on this machine" in remarks
    )
    assert tables["app"] == {"use": "shop.wsgi:application"}
    assert server == {
        "listen": ["0.0.0.0:${PORT:-8000}"], "threads": "${THREADS:-4}", "request_timeout": "2m",
        "channel_timeout": "5s", "max_requests": 1500, "max_requests_jitter": 50, "access_log": "-",
        "log_level": "${LOG_LEVEL:-INFO}", "preload": True, "backlog": 64,
        "env": {"TZ": "UTC", "SECRET": "${SECRET:-}"},
    }  # fmt: skip
    assert [note.partition(": ")[2] for note in notes] == [
        f"workers: depends on a condition (sys.platform == 'darwin'); {count} is taken: write its value",
        "logger_class: set handlers and formatters under [logging]",
        "worker_tmp_dir: wiverno's workers write no heartbeat files",
        "proc_name: wiverno does not rename its process",
        f'when_ready: {MOVE} [server.hooks] when_ready = "hooks:when_ready"',
        "worker_int: use worker_exit",
    ]


def test_what_is_off_here_too_has_no_note() -> None:
    """A setting that is False, as without it, loses nothing; True, and the number 0, are named."""
    _, notes, _ = converted("daemon = False\nspew = False\nreload = False\ncapture_output = False\n")
    assert {note.partition(": ")[2].partition(":")[0] for note in notes} == {"no application is named", "listen"}
    _, notes, _ = converted("daemon = True\nspew = 0\n")
    assert {"daemon", "spew"} <= {note.partition(": ")[2].partition(":")[0] for note in notes}


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("bind = open('b').read()\n", "g.py:1: bind: is computed (open('b').read()): write its value"),
        (
            "workers = 2\nfor x in y:\n    workers = x\n",
            "g.py:2: workers: is set in a loop; 2 is taken: write its value",
        ),
        ("workers = 2\nwhile x:\n    workers += 1\n", "g.py:2: workers: is set in a loop; 2 is taken: write its value"),
        (
            "raw_env = ['A=1']\nraw_env.append('B=2')\n",
            "g.py:2: raw_env: is changed by raw_env.append('B=2'); ['A=1'] is taken: write its value",
        ),
        (
            "raw_env = ['A=1']\nraw_env[0] = x\n",
            "g.py:2: raw_env: is changed by raw_env[0] = x; ['A=1'] is taken: write its value",
        ),
        ("x = f()\nworkers = x\n", "g.py:2: workers: is computed (f()): write its value"),
        ("def n():\n    return 2\nworkers = n()\n", "g.py:3: workers: is computed (n()): write its value"),
        ("reload = x()\n", "g.py:1: reload: wiverno run dev reloads"),
        (
            "from m import post_fork as p\npost_fork = p\n",
            f"g.py:2: post_fork: {MOVE}",
        ),
        (
            f"bind = f('{'x' * 90}')\n",
            f"g.py:1: bind: is computed (f('{'x' * 66}…): write its value",
        ),
    ],
)
def test_what_is_not_followed(text: str, note: str) -> None:
    """Each setting that is computed has a note with its computation; the last known value is taken."""
    _, notes, _ = converted(text)
    assert any(found.startswith(note) for found in notes), notes


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("from base import *\n", "g.py:1: from: settings of the module base are not read: convert it too, and merge"),
        (
            "from dotenv import load_dotenv\nload_dotenv()\n",
            "g.py:2: load_dotenv: the file's variables are read by",
        ),
    ],
)
def test_remarks(text: str, remark: str) -> None:
    """What comes from elsewhere is said."""
    _, _, remarks = converted(text)
    assert any(found.startswith(remark) for found in remarks), remarks


def test_logs() -> None:
    """The error log's file and dictConfig become [logging], and the access log's format has our fields."""
    line = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
    tables, notes, _ = converted(
        f"errorlog = '/var/log/shop.log'\nloglevel = 'debug'\naccess_log_format = '{line}'\n"
        "logconfig_dict = {'version': 1, 'loggers': {'gunicorn.error': {'level': 'INFO'}}}\n"
    )
    assert tables["logging"] == {"loggers": {"wiverno": {"level": "INFO"}}}
    assert tables["server"]["access_log_format"] == "combined"
    tables, notes, _ = converted(
        "errorlog = '/l'\nloglevel = 'debug'\naccess_log_format = '%(h)s %(x)s'\nlogconfig_dict = {'a': None}\n"
    )
    assert tables["logging"]["handlers"]["file"]["filename"] == "/l"
    assert tables["logging"]["root"] == {"level": "DEBUG", "handlers": ["file"]}
    assert any("access_log_format: has a field that wiverno has not" in note for note in notes)
    assert any("logconfig_dict: is no table of texts and numbers" in note for note in notes)


def test_relative_paths_start_in_chdir() -> None:
    """gunicorn's relative paths start in chdir, so they are written whole."""
    tables, _, _ = converted(
        "chdir = '/srv'\nbind = ['unix:s.sock', 'unix:/a', ':80']\npidfile = 'p'\naccesslog = '-'\n"
        "pythonpath = 'a, b'\n"
    )
    assert tables["server"] == {
        "chdir": "/srv", "listen": ["unix:/srv/s.sock", "unix:/a", "0.0.0.0:80"], "pid_file": "/srv/p",
        "access_log": "-", "pythonpath": ["a", "b"], "threads": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("uvicorn.workers.UvicornWorker", "serves ASGI; wiverno serves WSGI applications only"),
        ("gevent", "there are no greenlets"),
        ("my.Worker", "my.worker has no counterpart"),
    ],
)
def test_kinds_of_workers(kind: str, words: str) -> None:
    """A kind of worker that is not there is named with what to do."""
    tables, notes, _ = converted(f"worker_class = '{kind}'\nlimit_request_field_size = 5\n")
    assert any(words in note for note in notes)
    assert "threads" not in tables["server"]


def test_no_python() -> None:
    """A template, Python 2 and a missing file are errors with their line."""
    Path("g.py").write_text("bind = '{{ host }}'\n{% if x %}\n")
    with pytest.raises(ConfigError, match=r"g\.py:2: is no Python: invalid syntax(.|\n)*looks like a template"):
        convert("g.py")
    Path("g.py").write_text("print 'x'\n")
    with pytest.raises(ConfigError, match=r"g\.py:1: is no Python: Missing parentheses"):
        convert("g.py")
    Path("g.py").write_text("x = " + "-" * 50_000 + "1\n")
    with pytest.raises(ConfigError, match=r"g\.py(:\d+)?: is no Python: .+"):
        convert("g.py")
    Path("g.py").write_text("x = '\0'\n")
    with pytest.raises(ConfigError):
        convert("g.py")
    Path("g.py").write_text("")
    assert not read_gunicorn_syntax("g.py").values


USED = """
bind workers timeout worker_class accesslog errorlog loglevel max_requests keepalive max_requests_jitter reload threads
graceful_timeout preload_app worker_connections worker_tmp_dir daemon access_log_format post_fork user wsgi_app backlog
capture_output child_exit group limit_request_field_size logconfig_dict proc_name limit_request_line on_starting pidfile
chdir enable_stdio_inheritance limit_request_fields on_exit pythonpath reload_extra_files when_ready certfile keyfile
tmp_upload_dir worker_int logger_class umask worker_abort
"""


@pytest.mark.parametrize("key", USED.split())
def test_every_key_in_use_has_an_answer(key: str) -> None:
    """No key that public files use is answered with "no such setting"."""
    _, notes, _ = converted(f"{key} = 1\n")
    assert not any("no such setting" in note for note in notes), notes


def test_a_variable_that_may_be_missing() -> None:
    """os.environ.get() without a default is None for gunicorn, so the result starts without the variable, too."""
    Path("g.py").write_text(
        "import os\ncertfile = os.environ.get('CERT')\nkeyfile = os.environ['KEY']\nbind = os.getenv('BIND')\n"
    )
    server = tomllib.loads(convert("g.py").text)["server"]
    assert (server["certfile"], server["keyfile"], server["listen"]) == ("${CERT:-}", "${KEY}", ["${BIND}"])


def test_the_way_to_computed_values() -> None:
    """A file that computes gets a note about --run, which also works for the command that names the file."""
    Path("g.py").write_text("def f():\n    return 3\nworkers = f()\nbind = '127.0.0.1:80'\n")
    hint = "g.py: --run runs the file, and finds the values that are computed"
    assert hint in [remark.headline() for remark in convert("g.py").remarks]
    found = convert_command("gunicorn -c g.py a:b", run=True)
    assert tomllib.loads(found.text)["server"]["workers"] == 3
    assert hint not in [remark.headline() for remark in found.remarks]
    with pytest.raises(ConfigError, match=r"--from-command: names no gunicorn\.conf\.py, which --run is for"):
        convert_command("gunicorn a:b", run=True)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("ssl_context", "choose the oldest version of TLS and client certificates: tls_min_version, client_cert"),
        ("ssl_version", "name the oldest version of TLS: tls_min_version"),
        ("cert_reqs", "client_cert is none, optional or required"),
    ],
)
def test_settings_of_tls(key: str, text: str) -> None:
    """gunicorn's settings of TLS are named with wiverno's."""
    written = f"def {key}(*_):\n    pass\n" if key == "ssl_context" else f"{key} = 2\n"
    Path("g.py").write_text(f"bind = '127.0.0.1:80'\n{written}")
    assert f"g.py:2: {key}: {text}" in [note.headline() for note in convert("g.py").notes]
