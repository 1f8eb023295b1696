"""What show, explain, the schema, the settings page and the template say."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest

from wiverno.config.check import check
from wiverno.config.errors import ConfigError
from wiverno.config.loader import LoadedConfig, load
from wiverno.config.output import reference_page as page
from wiverno.config.output.explain import describe, explain, format_value, to_data, to_text, to_toml
from wiverno.config.output.schema import schema, schema_text
from wiverno.config.output.template import template
from wiverno.config.settings import SETTINGS

ROOT = Path(__file__).parents[4]

BASE = '[server]\nthreads = 2\nlisten = ["127.0.0.1:${PORT:-8000}"]\n'
CHILD = """\
extends = "base.toml"
[app]
use = "demo:create_app"
factory = true
[app.settings]
password = "hunter2"
token = "${TOKEN}"
dollars = "${DOLLARS}"
db.url = "pg://me:hunter3@db/x"
[[middleware]]
use = "demo:Timing"
[server]
threads = 16
ident = "${NAME:-me}"
"""


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedConfig:
    monkeypatch.chdir(tmp_path)
    Path("base.toml").write_text(BASE)
    Path("good.toml").write_text(CHILD)
    environ = {"WIVERNO_PORT": "9123", "TOKEN": "hunter4", "DOLLARS": "a$$b${c}"}
    return load("good.toml", environ=environ, options={"threads": "32"})


LISTEN = '["127.0.0.1:${PORT:-8000}"] from base.toml:3'


def test_show_gives_values_origins_and_what_they_override(found: LoadedConfig) -> None:
    assert to_text(found).splitlines() == [
        'host = "127.0.0.1"   # base.toml:3',
        "port = 9123   # environment variable WIVERNO_PORT",
        f"listen = []   # port (environment variable WIVERNO_PORT) replaces {LISTEN}",
        "threads = 32   # option --threads; overrides 16 from good.toml:13, 2 from base.toml:2",
        'ident = "${NAME:-me}"   # good.toml:14',
        'app.use = "demo:create_app"   # good.toml:3',
        "app.factory = true   # good.toml:3",
        "app.settings.password = ***   # good.toml:6",
        'app.settings.token = "${TOKEN}"   # good.toml:7',
        'app.settings.dollars = "${DOLLARS}"   # good.toml:8',
        "app.settings.db.url = ***   # good.toml:9",
        'middleware[0].use = "demo:Timing"   # good.toml:11',
    ]


def test_everything_can_be_shown(found: LoadedConfig) -> None:
    names = {row.name for row in describe(found)}
    assert {entry.name for entry in SETTINGS.values() if not (entry.inert or entry.code_only)} <= names


def test_secrets_are_shown_only_when_asked_for(found: LoadedConfig) -> None:
    for everything in (False, True):
        hidden = to_text(found, everything=everything) + to_toml(found, everything=everything)
        hidden += json.dumps(to_data(found, everything=everything))
        assert "hunter" not in hidden
    shown = to_text(found, reveal=True)
    assert all(f"hunter{number}" in shown for number in (2, 3, 4))
    assert 'ident = "me"' in shown


def test_what_is_shown_as_toml_loads_to_the_same(found: LoadedConfig) -> None:
    for everything in (False, True):
        Path("copy.toml").write_text(to_toml(found, reveal=True, everything=everything))
        copy = load("copy.toml", environ={})
        assert copy.adjustments == found.adjustments
        assert copy.app is not None
        assert found.app is not None
        assert copy.app.settings == found.app.settings
        assert copy.middleware == found.middleware or copy.middleware[0].use == found.middleware[0].use


def test_machines_get_values_in_seconds_and_bytes(found: LoadedConfig) -> None:
    data = to_data(found, everything=True)
    assert isinstance(data["settings"], list)
    rows = {row["name"]: row for row in data["settings"]}
    assert rows["channel_timeout"]["value"] == 120.0
    assert rows["max_request_body_size"] == {
        "name": "max_request_body_size", "value": 2**30, "text": '"1GiB"', "origin": "default", "overridden": [],
        "replaced_by": None,
    }  # fmt: skip
    assert rows["threads"]["overridden"][-1] == {"value": "4", "origin": "default"}
    json.dumps(data)


def test_explain_tells_meaning_chain_and_examples(found: LoadedConfig) -> None:
    assert explain(found, "--threads").text() == (
        "threads\n"
        "  Threads that may be inside the application at once.\n"
        "\n"
        "  accepts   a whole number from 1 to 4096\n"
        "  default   4\n"
        "\n"
        "  value     32   (option --threads)\n"
        "  overrides 16   (good.toml:13)\n"
        "  overrides 2   (base.toml:2)\n"
        "  overrides 4   (default)\n"
        "\n"
        "  to set it, highest first:\n"
        "    option       --threads 8\n"
        "    environment  WIVERNO_THREADS=8\n"
        "    TOML         [server] threads = 8\n"
        "    INI          [server:main] threads = 8\n"
        "    code         serve(app, threads=8)"
    )
    assert "replaced  by port (environment variable WIVERNO_PORT)" in explain(found, "listen").text()


@pytest.mark.parametrize("name", list(SETTINGS))
def test_every_setting_can_be_explained_and_its_examples_work(name: str, found: LoadedConfig) -> None:
    explanation = explain(found, name)
    assert SETTINGS[name].meaning in explanation.text()
    json.dumps(explanation.to_dict())
    for source, example in explanation.examples():
        if source == "TOML":
            table = tomllib.loads(example.replace("[server] ", "[server]\n"))["server"]
            SETTINGS[name].type.read(table[name])


@pytest.mark.parametrize("name", ["WIVERNO_THREADS", "request-queue-size", "--backlog"])
def test_a_setting_is_found_under_each_of_its_names(name: str, found: LoadedConfig) -> None:
    assert explain(found, name).entry.name in ("threads", "backlog")


def test_an_unknown_setting_cannot_be_explained(found: LoadedConfig) -> None:
    with pytest.raises(ConfigError, match=r"did you mean .threads."):
        explain(found, "theads")


def test_a_secret_setting_is_masked(found: LoadedConfig) -> None:
    """No setting of today's is secret; the one to come must be masked everywhere."""
    entry = dataclasses.replace(SETTINGS["ident"], secret=True)
    assert format_value(entry, "x") == "***"
    assert format_value(entry, "x", reveal=True) == '"x"'


def test_generated_files_are_in_step() -> None:
    """docs/settings.md and configs/wiverno.schema.json are what the model says; the message tells how to write them."""
    files = [str(ROOT / "docs" / "settings.md"), str(ROOT / "configs" / "wiverno.schema.json")]
    assert page.main(["--check", *files]) == 0


def test_a_generated_file_out_of_step_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "settings.md"
    assert page.main(["--check", str(file)]) == 1
    assert "is outdated: run" in capsys.readouterr().err
    assert page.main([str(file)]) == 0
    assert page.main(["--check", str(file)]) == 0


def test_the_schema_has_every_setting_and_no_more() -> None:
    server = schema()["definitions"]["server"]
    expected = {name for name, entry in SETTINGS.items() if not entry.code_only}
    assert set(server["properties"]) == expected | {"use", "request_queue_size"}
    assert server["additionalProperties"] is False
    assert json.loads(schema_text()) == schema()


@pytest.mark.parametrize(("name", "ini"), [("new.toml", False), ("new.ini", True)])
def test_a_new_configuration_is_complete_and_right(
    name: str, ini: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = template(name, ini=ini)
    Path(name).write_text(text)
    findings = check(name, environ={})
    assert findings.problems == ()
    missing = [entry.name for entry in SETTINGS.values() if f"{entry.name} =" not in text]
    assert missing == [
        "sockets", "cleanup_interval", "channel_request_lookahead", "send_bytes", "asyncore_loop_timeout",
        "asyncore_use_poll",
    ]  # fmt: skip


def test_the_defaults_in_a_new_configuration_are_the_defaults(tmp_path: Path) -> None:
    """Uncommented, the lines of the template change nothing."""
    lines = template("new.toml").splitlines()
    settings = [line[2:] for line in lines if line[2:].split(" =")[0] in SETTINGS and line.startswith("# ")]
    lone = [line for line in settings if line.split(" =")[0] not in ("listen", "unix_socket", "trusted_proxy_count")]
    (tmp_path / "new.toml").write_text("\n".join(["[server]", *lone]))
    assert load(tmp_path / "new.toml", environ={}).adjustments == load(environ={"WIVERNO_CONFIG": ""}).adjustments


def test_a_loser_that_is_no_value_at_all_is_shown_as_written(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[server]\nport = "many"\nthreads = { a = [1] }\n')
    found = load(file, environ={}, options={"port": "1", "threads": "2"})
    assert [row.overridden[0][0] for row in describe(found, everything=False)] == ['"many"', "{a = [1]}"]


def test_another_servers_configuration_names_it(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[server]\nuse = "egg:waitress#main"\n')
    assert to_data(load(file, environ={}, hand_over=True))["server"] == "egg:waitress#main"
