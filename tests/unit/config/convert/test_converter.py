"""What is carried over, what is not and why, and that both forms mean the same."""

from __future__ import annotations

import logging
import logging.config
import tomllib
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.convert.converter import Converted, convert
from wiverno.config.convert.gunicorn import from_gunicorn
from wiverno.config.errors import ConfigError
from wiverno.config.loader import load

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def converted(name: str, text: str, *, run: bool = False) -> tuple[dict[str, Any], list[str]]:
    """Return the TOML tables and the notes of a conversion to TOML."""
    Path(name).write_text(text)
    result = convert(name, "toml", run=run)
    return tomllib.loads(result.text), notes(result)


def notes(result: Converted) -> list[str]:
    return [note.headline() for note in result.notes]


@pytest.mark.parametrize("name", ["development.ini", "production.toml"])
def test_the_examples_mean_the_same_in_the_other_format(name: str) -> None:
    source = ROOT / "configs" / name
    result = convert(str(source))
    other = Path("other.ini" if source.suffix == ".toml" else "other.toml")
    other.write_text(result.text)
    assert notes(result) == []
    for section in ("main", "simple") if source.suffix == ".ini" else ("main",):
        before = load(source, environ={}, server_name=section)
        assert load(other, environ={}, server_name=section).adjustments == before.adjustments


def test_an_ini_file_becomes_toml() -> None:
    table, found = converted(
        "a.ini",
        "[DEFAULT]\nhttp_port = 6543\n"
        "[app:main]\nuse = egg:MyApp\nmoney = $5 and ${HOME} 100%%\nport = %(http_port)s at %(here)s %(given)s\n"
        "set x = y\n"
        "[server:main]\nuse = egg:wiverno\nport = %(http_port)s\nget threads = n\nident = 5%%\nipv4 = off\n"
        "listen =\n    a:1\n    b:2\n[alembic]\nx = 1\n[pserve]\nwatch_files = a b\n",
    )
    assert table == {
        "app": {
            "use": "egg:MyApp",
            "settings": {"money": "$$5 and $${HOME} 100%", "port": "${http_port:-6543} at ${here} ${given}"},
        },
        "server": {
            "port": "${http_port:-6543}", "threads": "${n}", "ident": "5%", "ipv4": False, "listen": ["a:1", "b:2"],
        },
        "pserve": {"watch_files": ["a", "b"]},
    }  # fmt: skip
    assert found == [
        "a.ini:7: set x: has no counterpart in TOML",
        "a.ini:17: alembic: belongs to another tool and was left out",
        "a.ini:2: http_port: is global configuration for Paste's factories, which TOML has not",
    ]


def test_a_pipeline_becomes_middleware() -> None:
    table, found = converted(
        "a.ini",
        "[pipeline:main]\npipeline = one two app\n[filter:one]\nuse = egg:One\nx = 1\n[filter:two]\nuse = call:m:two\n"
        "[app:app]\nuse = egg:wiverno\napp = m:make\nfactory = yes\ny = 2\n",
    )
    assert table["app"] == {"use": "m:make", "factory": True, "settings": {"y": "2"}}
    assert table["middleware"] == [{"use": "egg:One", "settings": {"x": "1"}}, {"use": "call:m:two"}]
    assert found == []


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("[composite:main]\nuse = egg:Paste#urlmap\n/ = x\n", "config:a.ini#main"),
        ("[pipeline:main]\npipeline = gone app\n[app:app]\nuse = egg:X\n", "config:a.ini#main"),
        ("[filter-app:main]\nuse = egg:X\nnext = y\n", "config:a.ini#main"),
        ("[app:main]\nuse = other\n[app:other]\nuse = egg:X\n", "config:a.ini#other"),
    ],
)
def test_what_only_paste_can_compose_stays_in_its_file(text: str, use: str) -> None:
    table, _ = converted("a.ini", text)
    assert table["app"]["use"] == use


def test_waitress_keeps_its_names() -> None:
    table, found = converted(
        "a.ini",
        "[server:main]\nuse = egg:waitress#main\nlisten = *:8080\nsend_bytes = 3\nasyncore_use_poll = true\n"
        "channel_timeout = 60\nmax_request_body_size = 1048576\nunix_socket_perms = 660\n",
    )
    assert table["server"] == {
        "listen": ["*:8080"], "channel_timeout": "1m", "max_request_body_size": "1MiB", "unix_socket_perms": "660",
    }  # fmt: skip
    assert found == [
        "a.ini:4: send_bytes: does nothing in wiverno",
        "a.ini:5: asyncore_use_poll: does nothing in wiverno",
    ]


def test_gunicorns_section_is_translated() -> None:
    table, found = converted(
        "a.ini",
        "[server:main]\nuse = egg:gunicorn#main\nbind = 127.0.0.1:80,unix:/x\nworkers = 4\nthreads = 2\n"
        "forwarded_allow_ips = 10.0.0.1,10.0.0.2\ntimeout = 30\ncertfile = x\nnonsense = 1\n",
    )
    assert table["server"] == {
        "listen": ["127.0.0.1:80", "unix:/x"], "workers": 4, "threads": 2, "request_timeout": "30s", "certfile": "x",
        "trusted_proxies": ["10.0.0.1", "10.0.0.2"], "trusted_proxy_headers": ["x-forwarded-proto"],
    }  # fmt: skip
    assert [note.split(": ", 2)[1] for note in found] == ["nonsense"]
    assert [remark.key for remark in convert("a.ini").remarks] == ["timeout"]
    Path("b.toml").write_text(convert("a.ini").text)
    assert load("b.toml", environ={}).adjustments.workers == 4


@pytest.mark.parametrize("run", [False, True])
def test_a_gunicorn_conf_py(*, run: bool) -> None:
    table, found = converted(
        "gunicorn.conf.py",
        "import os\nbind = ['0.0.0.0:8000', 'fd://3']\nworkers = 2 * 2\nwsgi_app = 'a:b'\nforwarded_allow_ips = '*'\n"
        "def post_fork(server, worker):\n    pass\nworker_class = 'gevent'\nkeepalive = 5\nother = 1\n",
        run=run,
    )
    assert table == {
        "app": {"use": "a:b"},
        "server": {
            "listen": ["0.0.0.0:8000", "fd:3"], "workers": 4, "trusted_proxy": "*",
            "trusted_proxy_headers": ["x-forwarded-proto"], "channel_timeout": "5s",
        },
    }  # fmt: skip
    first, second = sorted(found)
    assert first.startswith("gunicorn.conf.py:6: post_fork: put the function into a module, such as hooks.py")
    assert second.startswith("gunicorn.conf.py:8: worker_class: there are no greenlets: each request that waits")


def test_a_gunicorn_conf_py_that_raises_is_a_configuration_error() -> None:
    Path("g.py").write_text("1 / 0\n")
    with pytest.raises(ConfigError, match=r"g\.py:1: cannot be run: ZeroDivisionError"):
        convert("g.py", run=True)
    with pytest.raises(ConfigError, match=r"gone\.py: no such file"):
        convert("gone.py")


def test_a_gunicorn_conf_py_may_do_what_programs_do(capfd: pytest.CaptureFixture[str]) -> None:
    """What it prints, by whatever way, stays out of the file and is told with its first line."""
    table, found = converted(
        "g.py",
        "import os, sys, subprocess\nprint('[server]')\nprint('port = 1')\nos.write(1, b'x')\nsys.stdout.close()\n"
        "subprocess.run(['sh', '-c', 'echo loud >&2'])\nos.chdir('/')\nbind = '127.0.0.1:81'\n",
        run=True,
    )
    assert table == {"server": {"listen": ["127.0.0.1:81"], "threads": 1}}
    assert capfd.readouterr() == ("", "")
    assert found[0].startswith("g.py: printed on standard output, which is no part of the configuration: ")
    assert found[1].endswith("printed on standard error, which is no part of the configuration: 'loud'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import sys\nsys.exit(3)\n", r"g\.py:2: cannot be run: it called sys\.exit\(3\)"),
        ("raise SystemExit\n", r"g\.py:1: cannot be run: it called sys\.exit\(None\)"),
        (
            "print('bye', flush=True)\nimport os\nos._exit(0)\n",
            r"it ended the process with status 0\n.*it printed: bye",
        ),
        ("import os\nos.kill(os.getpid(), 9)\n", r"g\.py: cannot be run: it was killed by signal 9"),
        ("import no_such_module\n", r"g\.py:1: cannot be run: ModuleNotFoundError: (.|\n)*install what it imports"),
        ("bind = '{{ host }}'\n{% if x %}\n", r"g\.py:2: cannot be run: SyntaxError(.|\n)*looks like a template"),
        ("def f():\n    raise KeyboardInterrupt('no')\nf()\n", r"g\.py:2: cannot be run: KeyboardInterrupt: no"),
        ("x = '\xff'\n".encode("latin-1"), r"cannot be run: SyntaxError"),
    ],
)
def test_a_gunicorn_conf_py_that_does_not_come_to_its_end(text: str | bytes, words: str) -> None:
    Path("g.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=words):
        convert("g.py", run=True)


def test_gunicorns_values_that_mean_something_else_here() -> None:
    """Zeros, "not set", numbers of users, words for levels; what is no value at all is named, and the rest carried."""
    table, found = converted(
        "g.py",
        "bind = '[::1]:80'\nlimit_request_line = 0\nlimit_request_fields = 0\nkeepalive = 0\ntimeout = 0\nuser = 1000\n"
        "accesslog = None\nloglevel = 'WARN'\nbacklog = 'many'\nwsgi_app = 'a:b${c}'\numask = 0o27\n"
        "class logger_class: pass\nstatsd_host = 'x'\n",
    )
    assert table == {
        "app": {"use": "a:b$${c}"},
        "server": {
            "listen": ["[::1]:80"], "max_request_line_size": "256KiB", "max_header_count": 32768, "user": "1000",
            "request_timeout": "0s", "log_level": "warning", "umask": "027", "threads": 1,
        },
    }  # fmt: skip
    names = sorted(note.split(": ")[1] for note in found)
    assert names == [
        "backlog", "keepalive", "logger_class", "statsd_host",
    ]  # fmt: skip
    names = sorted(remark.key for remark in convert("g.py").remarks)
    assert names == ["limit_request_fields", "limit_request_line", "threads = 1", "timeout"]
    Path("out.toml").write_text(convert("g.py").text)
    assert load("out.toml", environ={}).adjustments.max_request_line_size == 262144


def test_an_address_that_is_not_carried_does_not_become_every_address() -> None:
    """The other servers' own default is written, and noted."""
    table, found = converted("g.py", "bind = '0.0.0.0:$PORT'\n")
    assert table["server"] == {"listen": ["127.0.0.1:8000"], "threads": 1}
    assert any("is not a value of listen" in note for note in found)
    assert any("no address is carried over" in note for note in found)
    table, _ = converted("a.ini", "[server:main]\nuse = egg:Paste#http\nport = 80\n")
    assert table["server"] == {"host": "127.0.0.1", "port": 80}
    table, _ = converted("b.ini", "[server:main]\nuse = egg:gunicorn\nhost = 127.0.0.2\nport = 81\n")
    assert table["server"] == {"listen": ["127.0.0.2:81"]}


def test_dollar_signs_of_ini_files_stay_what_they_are() -> None:
    """`${…}` is text to a Paste application, to its logging and to another server; `%(here)s` becomes a variable."""
    table, _ = converted(
        "a.ini",
        "[DEFAULT]\nhost = ${x} y\n[app:main]\nuse = egg:X\nbase = /nf/${build_key}/_ew_/\nprice = $%(host)s\n"
        "both = $$%(given)s ${a}$%(given)s 5$ 100%%\n"
        "[server:main]\nuse = egg:waitress\nident = ${z}\nurl_prefix = /$%(given)s\n"
        "[pserve]\nwatch_files = %(here)s/a ${b}\n"
        "[loggers]\nkeys = root\n[handlers]\nkeys = h\n[formatters]\nkeys = f\n[logger_root]\nhandlers = h\n"
        "[handler_h]\nclass = FileHandler\nargs = ('%(here)s/${c}.log',)\nformatter = f\n"
        "[formatter_f]\nformat = ${message} %(x)s\nstyle = $\n",
    )
    Path("out.toml").write_text(convert("a.ini").text)
    found = load("out.toml", environ={}, variables={"given": "G"})
    here = str(Path.cwd())
    assert found.app is not None
    assert found.app.settings == {
        "base": "/nf/${build_key}/_ew_/", "price": "$${x} y", "both": "$$G ${a}$G 5$ 100%",
    }  # fmt: skip
    assert (found.adjustments.ident, found.adjustments.url_prefix) == ("${z}", "/$G")
    assert found.pserve == {"watch_files": [f"{here}/a", "${b}"]}
    assert found.logging is not None
    assert found.logging["handlers"]["h"]["filename"] == f"{here}/${{c}}.log"
    assert found.logging["formatters"]["f"]["format"] == "${message} %(x)s"
    assert here not in str(table)


def test_escaped_dollar_signs_of_toml_become_text_in_ini() -> None:
    Path("a.toml").write_text('[app]\nuse = "egg:X"\nsettings = { base = "/$${key}/", price = "5$", two = "${A}$$" }\n')
    result = convert("a.toml")
    assert "base = /${key}/\nprice = 5$\ntwo = ${A}$$\n" in result.text
    assert [note.key for note in result.notes] == ["app.settings.two"]


def test_gunicorns_oddities() -> None:
    found = from_gunicorn({"threads": "x", "workers": 3, "forwarded_allow_ips": "", "worker_connections": 50})
    assert found.settings == {"workers": (3, "workers"), "connection_limit": (50, "worker_connections")}
    assert found.notes == [("threads", "is no number")]
    assert from_gunicorn({"bind": "a:1"}).settings == {"listen": (["a:1"], "bind")}


def test_another_servers_section_becomes_wivernos() -> None:
    """The few names that mean the same everywhere are carried, everything else is named."""
    table, found = converted(
        "a.ini", "[server:main]\nuse = egg:PasteScript#cherrypy\nhost = 127.0.0.1\nport = 81\nnumthreads = 7\nx = %%\n"
    )
    assert table["server"] == {"host": "127.0.0.1", "port": 81, "threads": 7}
    assert found == [
        "a.ini:2: use: egg:PasteScript#cherrypy: wiverno serves in its place",
        "a.ini:6: x: is the other server's own setting",
    ]
    Path("out.toml").write_text(convert("a.ini").text)
    assert load("out.toml", environ={}).adjustments.host == "127.0.0.1"


def test_toml_becomes_ini() -> None:
    Path("base.toml").write_text("[server]\nthreads = 2\nident = 'x'\n")
    Path("a.toml").write_text(
        'extends = "base.toml"\n[app]\nuse = "m:make"\nfactory = true\n'
        '[app.settings]\nn = 5\nflag = true\nword = "100%"\nurl = "${URL}"\nlist = ["a", "b"]\ndb.url = "x"\n'
        '[[middleware]]\nuse = "egg:One"\nsettings = { x = "1" }\n[[middleware]]\nuse = "m:Two"\n'
        '[server]\nident = "5%"\nlisten = ["a:1", "b:2"]\nchannel_timeout = 90\n'
        '["server:two"]\nuse = "egg:wiverno#simple"\n'
        '["app:two"]\nuse = "egg:Two"\n[pserve]\nwatch_files = ["a", "b"]\n[tool.x]\ny = 1\n'
    )
    result = convert("a.toml")
    assert result.text == (
        "[server:main]\nuse = egg:wiverno\nthreads = 2\nident = 5%%\nlisten =\n    a:1\n    b:2\n"
        "channel_timeout = 1m30s\n"
        "\n[pipeline:main]\npipeline = filter1 application\n"
        "\n[filter:filter1]\nuse = egg:One\nx = 1\n"
        "\n[app:application]\nuse = egg:wiverno\napp = m:make\nfactory = true\nn = 5\nflag = true\nword = 100%%\n"
        "url = ${URL}\nlist = a b\ndb.url = x\n"
        "\n[server:two]\nuse = egg:wiverno#simple\n"
        "\n[app:two]\nuse = egg:Two\n"
        "\n[pserve]\nwatch_files = a b\n"
    )
    assert notes(result) == [
        "a.toml:1: extends: base.toml is merged in: INI builds on sections, not on files",
        'middleware: "m:Two" is no Paste filter (egg: or call:) and was left out',
        "app.settings.n: becomes text, as everything in INI",
        "app.settings.flag: becomes text, as everything in INI",
        "app.settings.url: the application gets ${…} as it is: Paste does not expand it",
        "app.settings.list: becomes text, as everything in INI",
        "tool: belongs to another tool and was left out",
    ]


def test_a_wrong_value_is_not_carried() -> None:
    Path("a.toml").write_text("[server]\nport = 99999\nprot = 1\n")
    with pytest.raises(ConfigError, match=r"a\.toml:2: port: must be at most 65535"):
        convert("a.toml")
    Path("b.toml").write_text("[servr]\n")
    with pytest.raises(ConfigError, match=r'did you mean "server"'):
        convert("b.toml")
    Path("c.ini").write_text("[server:main]\nuse = base\n")
    with pytest.raises(ConfigError, match=r"there is no \[server:base\]"):
        convert("c.ini")


def test_an_unknown_setting_is_named() -> None:
    _, found = converted("a.ini", "[server:main]\nprot = 1\n")
    assert found == ["a.ini:2: prot: unknown setting"]


LOGGING_INI = """\
[loggers]
keys = root, web
[handlers]
keys = console, file
[formatters]
keys = plain
[logger_root]
level = WARNING
handlers = console
[logger_web]
level = DEBUG
handlers = file
qualname = my.web
propagate = 0
[handler_console]
class = StreamHandler
args = (sys.stdout,)
level = ERROR
formatter = plain
[handler_file]
class = handlers.RotatingFileHandler
args = ('app.log', 'a')
kwargs = {'maxBytes': 1000}
[formatter_plain]
format = %(levelname)s %(message)s
datefmt = %H:%M
"""


def test_logging_is_carried_both_ways() -> None:
    table, found = converted("a.ini", LOGGING_INI)
    assert found == []
    expected = {
        "formatters": {"plain": {"format": "%(levelname)s %(message)s", "datefmt": "%H:%M"}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler", "level": "ERROR", "formatter": "plain", "stream": "ext://sys.stdout",
            },
            "file": {
                "class": "logging.handlers.RotatingFileHandler", "filename": "app.log", "mode": "a", "maxBytes": 1000,
            },
        },
        "root": {"level": "WARNING", "handlers": ["console"]},
        "loggers": {"my.web": {"level": "DEBUG", "handlers": ["file"], "propagate": False}},
    }  # fmt: skip
    assert table["logging"] == expected
    Path("b.toml").write_text(convert("a.ini").text)
    Path("c.ini").write_text(convert("b.toml").text)
    again, _ = converted("c.ini", Path("c.ini").read_text())
    assert again["logging"] == expected


def test_carried_logging_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """dictConfig and fileConfig accept what was written."""
    Path("a.ini").write_text(LOGGING_INI.replace("root, web", "root").replace("console, file", "console"))
    Path("b.toml").write_text(convert("a.ini").text)
    Path("c.ini").write_text(convert("b.toml").text)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        table = load("b.toml", environ={}).logging
        assert table is not None
        logging.config.dictConfig(dict(table))
        assert [type(handler) for handler in root.handlers] == [logging.StreamHandler]
        logging.config.fileConfig("c.ini", disable_existing_loggers=False)
        assert [handler.level for handler in root.handlers] == [logging.ERROR]
    finally:
        root.handlers[:], level = before
        root.setLevel(level)


def test_logging_that_is_a_program_is_named() -> None:
    _, found = converted(
        "a.ini",
        "[loggers]\nkeys = root\n[handlers]\nkeys = h\n[formatters]\nkeys =\n[logger_root]\nhandlers = h\n"
        "[handler_h]\nclass = StreamHandler\nargs = (open('x'),)\n",
    )
    assert found == [
        "a.ini:11: handler_h.args: is an expression that cannot be carried; name the handler's arguments here"
    ]
    Path("b.toml").write_text("[logging]\nfilters = {}\n")
    assert notes(convert("b.toml")) == ["logging.filters: fileConfig has no such thing"]


@pytest.mark.parametrize(
    ("protocols", "is_on"),
    [("h1", False), ("h2", True), ("h2,h1", True), ("h1, h2", True), (["h2", "h1"], True), (["h1"], False)],
)
def test_http_2_of_gunicorn(protocols: object, *, is_on: bool) -> None:
    """http_protocols is http2 if it has h2, with a note about the extra; its limits are named with those here."""
    found = from_gunicorn({"http_protocols": protocols, "http2_max_concurrent_streams": 50})
    assert found.settings == ({"http2": (True, "http_protocols")} if is_on else {})
    remarks = [("http_protocols", "needs the extra: pip install 'wiverno[http2]>=2'")] if is_on else []
    assert found.remarks == remarks
    assert found.notes == [("http2_max_concurrent_streams", "is 100 here")]


def test_mounts_are_carried() -> None:
    """Tables become named keys, and the other way round; flags stay flags."""
    Path("a.toml").write_text(
        '[app]\nuse = "a:b"\n[server]\nthreads = 2\n'
        '[[static]]\npath = "/s"\ndirectory = "${here}/public"\nfallback = true\n'
    )
    text, found = convert("a.toml").text, notes(convert("a.toml"))
    assert "static.1 = /s=${here}/public\nstatic.1.fallback = true\n" in text
    assert found == []
    Path("b.ini").write_text(text)
    assert tomllib.loads(convert("b.ini").text)["server"] == {
        "threads": 2, "static": [{"path": "/s", "directory": "${here}/public", "fallback": True}],
    }  # fmt: skip


def test_quoted_values_of_another_server() -> None:
    """Quotes in INI files belong to the value; a file that was written for another reader may have them."""
    Path("a.ini").write_text('[server:main]\nuse = egg:waitress\nlisten = "0.0.0.0:6543"\n')
    result = convert("a.ini")
    assert tomllib.loads(result.text)["server"] == {"listen": ["0.0.0.0:6543"]}
    assert [remark.headline() for remark in result.remarks] == [
        "a.ini:3: listen: the quotes are left out: in INI files they belong to the value"
    ]


def test_a_template_says_so() -> None:
    """A file that has not been filled in is named as that."""
    Path("a.ini").write_text("[server:main]\nuse = egg:waitress\nport = {{ port }}\n")
    with pytest.raises(ConfigError, match="looks like a template"):
        convert("a.ini")
