"""uWSGI's configurations in the shapes of public ones: each key is carried, or named with what to do."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.convert.converter import convert
from wiverno.config.convert.uwsgi_names import KNOWN
from wiverno.config.errors import ConfigError
from wiverno.config.loader import load

# Every key that ten or more public repositories use, and those that follow.
USED = """
master processes module socket vacuum die-on-term buffer-size chdir uid max-requests enable-threads threads http
chmod-socket gid harakiri static-map wsgi-file http-socket env virtualenv single-interpreter pidfile lazy-apps
http-timeout plugins disable-logging strict memory-report callable need-app listen plugin reload-on-rss
worker-reload-mercy thunder-lock home if-env log-format daemonize chown-socket max-worker-lifetime
disable-write-exception route workers post-buffering mount manage-script-name print pythonpath auto-procname
socket-timeout offload-threads logger log-master paste ignore-sigpipe ignore-write-errors add-header log-5xx logto
req-logger gevent lazy harakiri-verbose stats ini cheaper py-call-uwsgi-fork-hooks harakiri-graceful-timeout plugin-dir
http-keepalive log-4xx no-orphans py-call-osafterfork
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "public").mkdir()
    return tmp_path


def converted(text: str, name: str = "shop.ini") -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Return the tables, the notes by option, and the options with remarks; the result is a valid configuration."""
    Path(name).write_text(text)
    result = convert(name)
    Path("out.toml").write_text(result.text)
    load("out.toml", environ={"PORT": "81", "TOKEN": "x"})
    notes = {note.key: note.message for note in result.notes}
    return tomllib.loads(result.text), notes, [remark.key for remark in result.remarks]


@pytest.mark.parametrize("key", USED.split())
def test_every_key_in_use_is_known(key: str) -> None:
    """No key of public files is answered with "no such setting"."""
    assert key in KNOWN


INI = """
# a comment
[other]
module = not.this
[uwsgi]
project = shop
base = /srv/%(project)
chdir = %(base)
module = %(project).wsgi:application
http-socket = :$(PORT)
socket = %(base)/%n.sock
chmod-socket
uid = www-data
master = true
processes = 4
threads = 2
harakiri = 30
max-requests = 5000
max-requests-delta = 50
reload-on-rss = 300
buffer_size = 32768
limit-post = 1048576
listen = 512
pidfile = %d%n.pid
env = DJANGO_SETTINGS_MODULE=shop.settings
env = TOKEN=$(TOKEN)
env = HOME
pythonpath = lib
pp = %(base)/lib
worker-reload-mercy = 8
logto = /var/log/%n.log
req-logger = file:/var/log/requests.log
log-format = %(addr) - %(user) [%(ltime)] "%(method) %(uri) %(proto)" %(status) %(size)
stats = 127.0.0.1:9191
if-env = DEBUG
py-autoreload = 1
endif =
static-map = /static=public
virtualenv = %(base)/venv
thunder-lok = true
route-run = x
vacuum
"""


def test_ini() -> None:
    """The twenty most used keys are carried, with placeholders and variables."""
    tables, notes, remarks = converted(INI)
    assert tables["app"] == {"use": "shop.wsgi:application"}
    assert tables["server"] == {
        "chdir": "/srv/shop", "listen": ["0.0.0.0:${PORT}", "unix:/srv/shop/shop.sock"], "unix_socket_perms": "666",
        "user": "www-data", "workers": 4, "threads": 2, "request_timeout": "30s", "max_requests": 5000,
        "max_requests_jitter": 50, "max_rss": "300MiB", "max_request_header_size": "32KiB",
        "max_request_body_size": "1MiB", "backlog": 512, "pid_file": "${here}/shop.pid", "graceful_timeout": "8s",
        "env": {"DJANGO_SETTINGS_MODULE": "shop.settings", "TOKEN": "${TOKEN}"},
        "pythonpath": ["lib", "/srv/shop/lib"], "access_log": "/var/log/requests.log",
        "access_log_format": '{remote} - {user} [{time}] "{method} {uri} {protocol}" {status} {bytes}',
        "admin_listen": "127.0.0.1:9191",
        "static": [{"path": "/static", "directory": "public", "fallback": True}],
    }  # fmt: skip
    assert tables["logging"]["handlers"]["file"]["filename"] == "/var/log/shop.log"
    assert remarks == ["chdir", "socket", "harakiri", "stats"]
    assert notes == {
        "env": "HOME has no value: it is the service's, or write it in [server.env]",
        "master": "not needed: with workers there is a supervisor",
        "py-autoreload": "stands in if-env = DEBUG: ${NAME:-default} takes a value from the environment",
        "virtualenv": "install wiverno there and start it by its path: /srv/shop/venv/bin/wiverno run",
        "thunder-lok": "wiverno has no such setting; did you mean thunder-lock?",
        "route-run": "routes belong into the proxy or into a middleware",
        "vacuum": "not needed: sockets and the pid file are removed at the end",
    }


@pytest.mark.parametrize("name", ["force-cwd", "forkbomb-delay", "for-glob", "if-not-env", "ifdir"])
def test_what_begins_as_a_condition_does(name: str) -> None:
    """An option whose name only begins with "for" is no loop that has all further options in it."""
    tables, notes, _ = converted(f"[uwsgi]\nmodule = m:app\nhttp = :8000\n{name} = 2\nprocesses = 4\n")
    is_condition = name in ("for-glob", "if-not-env", "ifdir")
    assert (tables["server"].get("workers") == 4) == (not is_condition)
    assert ("processes" in notes) == is_condition


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "# x\nuwsgi:\n  http: :8000\n  env: A=1\n  env: 'B=2'   \n  module: m:app\nother:\n  http: :1\n"),
        ("a.yml", "uwsgi:\n    http: ':8000'\n    env:\n      - A=1\n      - B=2\n    module: m:app # x\n"),
        (
            "a.xml",
            "<uwsgi>\n<!-- x --><http>:8000</http><env>A=1</env>\n<env>B=2</env><module>m:app</module>\n</uwsgi>",
        ),
        ("a.json", '{"uwsgi": {"http": ":8000", "env": ["A=1", "B=2"], "module": "m:app"}}'),
        ("uwsgi.conf", "[uwsgi]\nhttp = :8000\nenv = A=1\nenv = B=2\nmodule = m\ncallable = app\n"),
    ],
)
def test_forms(name: str, text: str) -> None:
    """YAML, XML and JSON of the same keys say the same."""
    tables, notes, _ = converted(text, name)
    assert tables == {
        "app": {"use": "m:app"},
        "server": {"listen": ["0.0.0.0:8000"], "env": {"A": "1", "B": "2"}, "threads": 1},
    }
    assert not notes


@pytest.mark.parametrize(
    ("lines", "app", "server"),
    [
        ("wsgi-file = app/wsgi.py", {"use": "wsgi:application"}, {"pythonpath": ["app"]}),
        ("wsgi-file = run.py\ncallable = app", {"use": "run:app"}, {}),
        ("module = m:create_app()", {"use": "m:create_app", "factory": True}, {}),
        ("mount = /shop=shop.wsgi:app\nmanage-script-name = true", {"use": "shop.wsgi:app"}, {"url_prefix": "/shop"}),
        ("mount = /shop=shop.py", {"use": "shop:application"}, {"url_prefix": "/shop"}),
        ("paste = config:production.ini", {"use": "config:production.ini"}, {}),
        ("module = m\nhttps = :443,a.pem,b.key", {"use": "m:application"}, {"certfile": "a.pem", "keyfile": "b.key"}),
        ("module = m\nchmod-socket = 0660", {"use": "m:application"}, {"unix_socket_perms": "660"}),
        ("module = m\nstats = /tmp/s.sock", {"use": "m:application"}, {"admin_listen": "unix:/tmp/s.sock"}),
    ],
)
def test_applications_and_addresses(lines: str, app: dict[str, Any], server: dict[str, Any]) -> None:
    """Modules, files, mounts and PasteDeploy name the application; addresses and modes have other forms."""
    tables, _, _ = converted(f"[uwsgi]\n{lines}\nsocket = s.sock\n")
    assert tables["app"] == app
    table = tables["server"]
    assert table.pop("listen")[-1] == "unix:s.sock"
    assert table == server | {"threads": 1}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("wsgi-file = my-app.py", "my-app.py is no name of a module"),
        ("module = m:make(1)", "its arguments are written in [app.settings], by name: make(1)"),
        ("mount = /a=b.py\nmount = /c=d.py", "one application is served"),
        ("stats = 0.0.0.0:9191", "other machines could read it"),
        ("logger = syslog", "set a handler under [logging]"),
        ("req-logger = syslog", 'access_log = "logging" sends the lines'),
        ("log-format = %(vars)", "write access_log_format"),
        ("protocol = fastcgi", "fastcgi is not spoken"),
        ("static-map = /srv", "is no /path=directory"),
        ("https = :443,a,b,HIGH", "ciphers and authorities are set apart"),
        ("daemonize = /var/log/x.log", "wiverno stays in the foreground"),
        ("cheaper-algo = busyness", "the number of workers is fixed"),
        ("processes = %k", "'%k' is not a value of workers"),
    ],
)
def test_what_is_left(line: str, words: str) -> None:
    """What needs a decision is named with it."""
    _, notes, _ = converted(f"[uwsgi]\n{line}\nlisten = 9\nlogto = true\n")
    assert any(words in message for message in notes.values()), notes


@pytest.mark.parametrize("name", ["need-app", "memory-report", "disable-logging"])
def test_what_is_off_has_no_note(name: str) -> None:
    """An option without a value that is false is as if it were not there; one that is true is named."""
    assert not converted(f"[uwsgi]\nmodule = a:b\nhttp = :1\n{name} = False\n")[1]
    assert converted(f"[uwsgi]\nmodule = a:b\nhttp = :1\n{name} = true\n")[1]


def test_never_an_empty_file() -> None:
    """A file that cannot be read, or has nothing for wiverno, is an error; a file with keys is never an empty line."""
    Path("a.ini").write_text("[uwsgi]\n{% if x %}\n")
    with pytest.raises(ConfigError, match=r"a\.ini:2: is not key = value(.|\n)*looks like a template"):
        convert("a.ini")
    Path("a.yaml").write_text("uwsgi:\n  - - x\n")
    with pytest.raises(ConfigError, match="is not key: value"):
        convert("a.yaml")
    Path("a.xml").write_text("<uwsgi>")
    with pytest.raises(ConfigError, match="is no XML"):
        convert("a.xml")
    Path("a.json").write_text('{"uwsgi"')
    with pytest.raises(ConfigError, match="is no JSON of uWSGI"):
        convert("a.json")
    Path("a.json").write_text('{"uwsgi":' + "[" * 100_000)
    with pytest.raises(ConfigError, match="is no JSON of uWSGI: it is nested too deeply"):
        convert("a.json")
    tables, notes, _ = converted("[uwsgi]\nmaster = true\n")
    assert tables == {"server": {"listen": ["127.0.0.1:8000"], "threads": 1}}
    assert notes[""].startswith("no application is named")
    Path("empty.toml").write_text("")
    with pytest.raises(ConfigError, match=r"empty\.toml: has nothing that wiverno can use"):
        convert("empty.toml")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("vassals-include = x.ini", "the service manager runs a unit for each application"),
        ("procname-prefix-spaced = shop", "there is no counterpart: processes keep their name"),
        ("static-expires = /* 60", 'write how long a mount\'s files may be kept: cache_control = "max-age=SECONDS"'),
        (
            "static-expires-uri = /x 60",
            'write how long a mount\'s files may be kept: cache_control = "max-age=SECONDS"',
        ),
    ],
)
def test_members_of_a_group(line: str, words: str) -> None:
    """An option of a known group is not taken for a misspelt other one."""
    _, notes, _ = converted(f"[uwsgi]\nhttp-socket = 127.0.0.1:80\nmodule = a:b\n{line}\n")
    assert notes[line.partition(" ")[0]] == words
