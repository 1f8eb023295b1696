"""`wiverno config`: what its options choose, and how it ends; the texts themselves are tested in tests/unit/config."""

import json
import sys
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from wiverno.cli.group import group

FILE = """\
[app]
use = "shop_of_test_config:app"

[server]
port = 8001
threads = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a.toml and a module for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "a.toml").write_text(FILE)
    return tmp_path


def config(*words: str, status: int = 0, text: str | None = None) -> Result:
    done = CliRunner().invoke(group, ["config", *words], input=text)
    assert done.exit_code == status, done.output
    return done


def test_check_says_ok_with_the_file() -> None:
    assert config("check", "a.toml").output == "a.toml: ok\n"
    assert config("check").output == "no file; environment and defaults: ok\n"


def test_check_reports_every_mistake_and_has_status_2() -> None:
    Path("b.toml").write_text('[server]\nport = 99999\nthreds = 3\nmode = "x"\n')
    assert config("check", "b.toml", status=2).output.count("error: b.toml:") == 3
    found = json.loads(config("check", "b.toml", "--format", "json", status=2).output)
    assert (found["file"], len(found["errors"]), found["warnings"]) == ("b.toml", 3, [])


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("1 / 0", "importing it raised ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "importing it raised SystemExit: 3"),
        ("other = 1", "shop_of_test_config"),
        (None, "shop_of_test_config"),
    ],
)
def test_check_imports_the_application_on_request(folder: Path, code: str | None, text: str) -> None:
    """What the application's module raises is a mistake with the place of its name."""
    if code is not None:
        (folder / "shop_of_test_config.py").write_text(code)
    sys.modules.pop("shop_of_test_config", None)
    output = config("check", "a.toml", "--app", status=2).output
    assert "a.toml:2: app" in output
    assert text in output
    sys.modules.pop("shop_of_test_config", None)


def test_show_has_the_origin_of_each_value() -> None:
    """Options count as they would at a start; defaults stand there on request."""
    text = config("show", "a.toml", "--port", "9000").output
    assert "port = 9000   # option --port; overrides 8001 from a.toml:5" in text
    assert "recv_bytes" not in text
    assert "recv_bytes" in config("show", "a.toml", "--all").output


def test_show_in_formats_for_programs() -> None:
    assert tomllib.loads(config("show", "a.toml", "--format", "toml").output)["server"]["threads"] == 3
    assert json.loads(config("show", "--config", "a.toml", "--format", "json").output)["files"] == ["a.toml"]


def test_explain_one_setting() -> None:
    assert "a.toml:6" in config("explain", "threads", "a.toml").output
    assert json.loads(config("explain", "threads", "a.toml", "--format", "json").output)["value"] == 3
    assert "did you mean" in config("explain", "threds", status=2).output


def test_convert_writes_the_other_format() -> None:
    """To standard output, or to a file whose name tells the format; an existing one only with --force."""
    assert "[server:main]" in config("convert", "a.toml").output
    config("convert", "a.toml", "-o", "b.ini")
    assert "[server:main]" in Path("b.ini").read_text()
    assert "b.ini exists and was left alone" in config("convert", "a.toml", "-o", "b.ini", status=2).output
    config("convert", "b.ini", "-o", "a.toml", "--force")
    assert tomllib.loads(Path("a.toml").read_text())["server"]["threads"] == 3


def test_convert_a_command_line() -> None:
    """A command line becomes a configuration; what differs here is a note, what is left out is named."""
    done = config("convert", "--from-command", "gunicorn -D -t 9 -w 2 shop:app")
    assert 'use = "shop:app"' in done.output
    assert "note: option -t: timeout: gunicorn kills a silent worker" in done.output
    assert "not carried over: option -D: daemon: wiverno stays in the foreground" in done.output


def test_convert_names_what_it_can_not_carry_over() -> None:
    Path("gunicorn.ini").write_text(
        dedent("""\
        [app:main]
        use = egg:shop
        [server:main]
        use = egg:gunicorn
        worker_class = gevent
        """)
    )
    done = config("convert", "gunicorn.ini")
    assert "not carried over: " in done.output
    config("convert", "gunicorn.ini", "--strict", status=1)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["convert", "a.toml", "--force"], "--force overwrites the file of --output"),
        (["convert", "a.toml", "--to", "ini", "-o", "b.toml"], "are two formats; leave out --to"),
        (["convert"], "name one file to convert, or give --from-command"),
        (["convert", "a.toml", "--from-command", "gunicorn x:y"], "name one file to convert, or give --from-command"),
        (["convert", "a.toml", "--run"], "--run is for a gunicorn.conf.py"),
        (["init", "--ini", "x.toml"], "--ini and x.toml are two formats"),
        (["init", "a.toml"], "a.toml exists and was left alone"),
        (["init", "missing/x.toml"], "missing/x.toml: No such file or directory"),
        (["check", "a.toml", "b.toml"], "one file at a time: a.toml, so what is b.toml?"),
        (["show", "--config", "a.toml", "b.toml"], "one file at a time: a.toml, so what is b.toml?"),
        (["show", "NAME=x"], "NAME=x is a variable for a file, and none is read"),
        (["show", "--server-name", "other"], "--server-name other is a table of a file"),
        (["check", "missing.toml"], "missing.toml"),
    ],
)
def test_mistakes_in_the_call_have_status_2(words: list[str], text: str) -> None:
    assert text in config(*words, status=2).output


def test_init_writes_a_file_that_passes_check() -> None:
    for words, name in (([], "wiverno.toml"), (["--ini"], "wiverno.ini"), (["c.ini"], "c.ini")):
        output = config("init", *words).output
        assert output == f"{name} written; next: wiverno config check {name} --app\n"
        assert config("check", name).output.endswith("ok\n")


def test_schema_goes_to_standard_output_or_a_file() -> None:
    assert json.loads(config("schema").output)["type"] == "object"
    config("schema", "-o", "s.json")
    assert json.loads(Path("s.json").read_text())["type"] == "object"
