"""Command lines of other servers."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.convert.converter import Converted, convert_command
from wiverno.config.errors import ConfigError
from wiverno.config.loader import load


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "public").mkdir()
    return tmp_path


def converted(text: str) -> tuple[dict[str, Any], Converted]:
    result = convert_command(text)
    Path("out.toml").write_text(result.text)
    load("out.toml", environ={})
    return tomllib.loads(result.text), result


APP = {"use": "shop:app"}
EIGHT = ["0.0.0.0:8000"]


@pytest.mark.parametrize(
    ("command", "app", "server"),
    [
        ("gunicorn -w 4 -k gthread --threads 8 -b :8000 shop:app", APP, {"workers": 4, "threads": 8, "listen": EIGHT}),
        ("gunicorn -w4 -b:8000 -b unix:/s --threads=2 shop:app", APP,
         {"workers": 4, "threads": 2, "listen": [*EIGHT, "unix:/s"]}),
        ("A=1 exec poetry run python -m gunicorn --bind 0.0.0.0:8000 --preload --access-logfile - 'shop:make()'",
         {"use": "shop:make", "factory": True},
         {"listen": EIGHT, "preload": True, "access_log": "-", "threads": 1, "env": {"A": "1"}}),
        ("/venv/bin/gunicorn shop.wsgi -e A=1 --env B=2 --log-level warning -b 0.0.0.0:8000 --keep-alive 5",
         {"use": "shop.wsgi:application"},
         {"listen": EIGHT, "env": {"A": "1", "B": "2"}, "log_level": "warning", "channel_timeout": "5s", "threads": 1}),
        ("waitress-serve --listen=*:8080 --threads=8 --call shop:app", APP | {"factory": True},
         {"listen": ["*:8080"], "threads": 8}),
        ("waitress-serve --port 80 --no-ipv6 --app=shop:app", APP, {"port": 80, "ipv6": False}),
        ("uwsgi --http :8000 --module shop:app --master -p 4 --threads 2", APP,
         {"listen": EIGHT, "workers": 4, "threads": 2}),
        ("uwsgi --http=:8000 -w shop:app --enable-threads --pythonpath lib", APP,
         {"listen": EIGHT, "pythonpath": ["lib"], "threads": 1}),
        ("granian --interface wsgi --host 0.0.0.0 --workers 2 --blocking-threads 8 shop:app", APP,
         {"host": "0.0.0.0", "port": 8000, "workers": 2, "threads": 8}),
        ("granian --interface wsgi --static-path-mount public shop:app", APP,
         {"host": "127.0.0.1", "port": 8000, "static": [{"path": "/static", "directory": "public"}]}),
        ("granian --interface wsgi --port 81 --access-log --workers-max-rss 300 --factory shop:app",
         APP | {"factory": True}, {"host": "127.0.0.1", "port": 81, "access_log": "-", "max_rss": "300MiB"}),
    ],
)  # fmt: skip
def test_commands(command: str, app: dict[str, Any], server: dict[str, Any]) -> None:
    """The options, with their short forms, the application, and variables before the program."""
    tables, _ = converted(command)
    assert tables == {"app": app, "server": server}


@pytest.mark.parametrize(
    ("command", "note"),
    [
        ("gunicorn -D shop:app", "option -D: daemon: wiverno stays in the foreground"),
        ("gunicorn --nonsense 5 shop:app", "option --nonsense: nonsense: wiverno has no such setting"),
        ("gunicorn -b :80", "no application is named"),
        ("gunicorn 'shop:make(1)'", "its arguments are written in [app.settings]"),
        ("waitress-serve --nonsense=1 shop:app", "option --nonsense: nonsense: wiverno has no such setting"),
        ("waitress-serve shop:app more", "more: is one word more than the application"),
        ("uwsgi --http :80 --emperor /etc/vassals", "the service manager runs a unit for each application"),
        ("uwsgi --http :80 x", "x: is no option"),
        ("granian shop:app", "wiverno serves WSGI applications only: granian --interface wsgi"),
        ("granian --interface wsgi --workers-lifetime 100 shop:app", "replace workers with max_requests or max_rss"),
        ("granian --interface wsgi --loop uvloop --x y shop:app", "option --x: x: wiverno has no such setting"),
    ],
)
def test_what_is_left(command: str, note: str) -> None:
    """Each option that is not carried is named with what to do."""
    _, result = converted(command)
    assert any(note in found.headline() for found in result.notes), result.notes


def test_files() -> None:
    """A file that the command line names is read too, below the options."""
    Path("gunicorn.conf.py").write_text("workers = 2\nbind = ':81'\ntimeout = 9\n")
    tables, result = converted("gunicorn -c gunicorn.conf.py -w 3 shop:app")
    assert tables["server"] == {"workers": 3, "listen": ["0.0.0.0:81"], "request_timeout": "9s", "threads": 1}
    assert result.remarks[0].headline().startswith("gunicorn.conf.py:3: timeout: gunicorn kills")
    tables, result = converted("gunicorn shop:app")
    assert "gunicorn also reads ./gunicorn.conf.py" in result.remarks[0].message
    Path("u.ini").write_text("[uwsgi]\nprocesses = 2\nhttp = :81\nmodule = shop:app\n")
    for command in ("uwsgi u.ini -p 3", "uwsgi --ini u.ini --processes 3"):
        tables, _ = converted(command)
        assert tables["server"] == {"workers": 3, "listen": ["0.0.0.0:81"], "threads": 1}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("python app.py", "names none of the programs that can be converted: gunicorn, waitress-serve, uwsgi, granian"),
        ("", "names none of the programs"),
        ("uvicorn shop:app", "uvicorn serves ASGI applications, and wiverno serves WSGI only"),
        ("gunicorn 'shop", "is no command line: no closing quotation"),
        ("gunicorn -c none.py shop:app", r"none\.py: no such file"),
        ("uwsgi --ini none.ini", r"none\.ini: no such file"),
    ],
)
def test_mistakes(command: str, message: str) -> None:
    """What is no command line of these servers is an error."""
    with pytest.raises(ConfigError, match=message):
        convert_command(command)
