"""Any settings survive being written and read; any text's keys are where the scanners say."""

from __future__ import annotations

import configparser
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from wiverno.config.convert import paste_ini
from wiverno.config.convert.converter import convert
from wiverno.config.errors import BadValue
from wiverno.config.fields import units
from wiverno.config.fields.types import LONGEST, ValueType
from wiverno.config.formats.interpolation import escape, expand
from wiverno.config.formats.locations import ini_places, toml_places
from wiverno.config.loader import load
from wiverno.config.settings import SETTINGS, Adjustments
from wiverno.config.validation import PROXY_HEADERS

HOSTS = st.sampled_from(["127.0.0.1", "::1", "*", "localhost", "example.org", "0.0.0.0"])
ADDRESSES = st.sampled_from(["127.0.0.1:80", "[::1]:0", "*:8080", "localhost", "unix:/run/x y.sock"[:12], "fd:web"])
NETWORKS = st.sampled_from(["10.0.0.0/8", "::1/128", "192.168.1.0/24", "0.0.0.0/0"])
PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)

MOUNTS = st.lists(
    st.fixed_dictionaries(
        {
            "path": st.sampled_from(["/", "/static", "/static/js", "/é"]),
            "directory": st.sampled_from(["/", "/usr/bin"]),
        },
        optional={
            "cache_control": st.sampled_from(["", "no-cache", "public, max-age=60"]),
            "index": st.sampled_from(["", "index.html"]),
            **dict.fromkeys(("precompressed", "immutable", "fallback", "follow_symlinks"), st.booleans()),
        },
    ),
    unique_by=lambda mount: mount["path"],
    max_size=3,
)

# Settings whose value_type alone does not say what a value may be.
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "host": HOSTS,
    "listen": st.lists(ADDRESSES, min_size=1, max_size=3),
    "unix_socket": PRINTABLE,
    "unix_socket_perms": st.integers(0, 0o777).map(units.format_mode),
    "ident": PRINTABLE,
    "server_name": st.from_regex(r"\A[a-z0-9.-]{1,20}\Z"),
    "url_scheme": st.sampled_from(["http", "https", "x+y"]),
    "url_prefix": st.from_regex(r"\A(/[a-z0-9%$]{1,5}){0,2}\Z"),
    "worker_timeout": st.one_of(st.just(0.0), st.floats(5, LONGEST, allow_nan=False)),
    "workers": st.integers(0, 512),
    "event_loops": st.integers(0, 256),
    "static": MOUNTS,
    "trusted_proxy": st.sampled_from(["127.0.0.1", "*", "localhost"]),
    "trusted_proxies": st.lists(NETWORKS, min_size=1, max_size=3),
    "trusted_proxy_headers": st.sets(st.sampled_from(PROXY_HEADERS[1:]), min_size=1),
}


def values_of(name: str, value_type: ValueType) -> st.SearchStrategy[Any]:
    """Return values that a setting accepts; a new value_type of value needs a line above."""
    if name in BY_NAME:
        return BY_NAME[name]
    if value_type.is_flag:
        return st.booleans()
    if value_type.unit == "seconds":
        return st.floats(0, LONGEST, allow_nan=False)
    if value_type.unit == "bytes":
        return st.integers(1, 2**62)
    if value_type.metavar == "NUMBER":
        return st.integers(1, 4096)
    return st.sampled_from([example for example in value_type.examples if _is_accepted(value_type, example)] or [""])


def _is_accepted(value_type: ValueType, example: str) -> bool:
    try:
        value_type.read(example)
    except BadValue:
        return False
    return True


def drawn(draw: st.DrawFn) -> dict[str, Any]:
    names = [name for name, entry in SETTINGS.items() if not entry.code_only and not entry.inert]
    chosen = set(draw(st.lists(st.sampled_from(names), max_size=12)))
    group = draw(st.sampled_from([{"host", "port"}, {"listen"}, {"unix_socket"}]))
    chosen -= {"host", "port", "listen", "unix_socket"} - group
    chosen.discard("env_file")  # the files would have to exist
    if not chosen & {"trusted_proxy", "trusted_proxies"}:
        chosen -= {"trusted_proxy_count", "trusted_proxy_headers"}
    if "trusted_proxies" in chosen:
        chosen.add("trusted_proxy_headers")
    if {"ipv4", "ipv6"} <= chosen:
        chosen.remove("ipv6")
    if "certfile" not in chosen:
        chosen -= {"keyfile", "ca_certs", "redirect_listen"}
    if "redirect_listen" not in chosen:
        chosen -= {"acme_webroot", "redirect_port"}
    if "admin_listen" not in chosen:
        chosen.discard("admin_metrics_application")
    if "ca_certs" not in chosen:
        chosen.discard("client_cert")
    if "max_requests" not in chosen:
        chosen.discard("max_requests_jitter")
    values = {name: draw(values_of(name, SETTINGS[name].type)) for name in names if name in chosen}
    if not values.get("workers"):
        values.pop("stuck_requests", None)
    if not values.get("max_requests"):
        values.pop("max_requests_jitter", None)
    if "admin_listen" in values:
        values["admin_public"] = True
    if values.get("mode") == "simple":
        values.pop("threads", None)  # an error together
        values.pop("max_threads", None)
        values.pop("max_requests_per_client", None)
    elif "max_threads" in values:
        values["max_threads"] = max(values["max_threads"], values.get("threads", SETTINGS["threads"].default))
    return values


GIVEN = st.composite(drawn)()


def written(made: Adjustments) -> dict[str, Any]:
    """Return what was set, as a TOML table."""
    values = {name: SETTINGS[name].type.native(getattr(made, name)) for name in made.model_fields_set}
    return {name: escape(value) if isinstance(value, str) else value for name, value in values.items()}


@given(GIVEN)
@settings(deadline=None, max_examples=examples(60))
def test_settings_to_toml_and_back(values: dict[str, Any]) -> None:
    made = Adjustments(**values)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.toml")
        file.write_text(tomli_w.dumps({"server": written(made)}), encoding="utf-8")
        assert load(file, environ={}).adjustments == made


@given(GIVEN)
@settings(deadline=None, max_examples=examples(60))
def test_settings_to_ini_and_back_and_through_toml(values: dict[str, Any]) -> None:
    made = Adjustments(**values)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.ini")
        file.write_text(paste_ini.to_ini({"server": written(made)}, lambda *_: None), encoding="utf-8")
        assert load(file, environ={}).adjustments == made
        converted = convert(str(file))
        assert converted.notes == ()
        other = Path(folder, "b.toml")
        other.write_text(converted.text, encoding="utf-8")
        assert load(other, environ={}).adjustments == made


@given(GIVEN)
@settings(deadline=None, max_examples=examples(60))
def test_settings_through_the_environment_and_options(values: dict[str, Any]) -> None:
    made = Adjustments(**values)
    texts = {name: SETTINGS[name].type.text(getattr(made, name)) for name in made.model_fields_set}
    environ = {SETTINGS[name].variable: text for name, text in texts.items()}
    # An empty variable counts as unset.
    said = {name: values[name] for name, text in texts.items() if text}
    assert load(environ=environ).adjustments == Adjustments(**said)
    assert load(environ={}, options=texts).adjustments == made


@given(st.floats(0, LONGEST, allow_nan=False))
def test_durations(seconds: float) -> None:
    assert units.read_duration(units.format_duration(seconds)) == seconds


@given(st.integers(0, 2**70))
def test_sizes(size: int) -> None:
    assert units.read_size(units.format_size(size)) == size


@given(st.text())
def test_only_bad_value_escapes_the_readers(text: str) -> None:
    for entry in SETTINGS.values():
        try:
            entry.type.read(text)
        except BadValue:
            continue


@given(st.text(st.sampled_from("${}:-a/ "), max_size=20))
def test_escaped_text_expands_to_itself(text: str) -> None:
    assert expand(escape(text), lambda _: None, Path()) == text


KEYS = st.text(st.sampled_from("ab-_1 .\"'\\é#=[]"), min_size=1, max_size=4)
SCALARS = (
    st.integers()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text(st.sampled_from("ab\"'\n\\#[]{},= \t"), max_size=12)
    | st.datetimes()
    | st.dates()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


def list_leaves(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Return the paths of the values that are no tables: what a report can be about."""
    if isinstance(value, dict):
        return set().union(*(list_leaves(inner, (*path, key)) for key, inner in value.items())) if value else set()
    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        return set().union(*(list_leaves(entry, (*path, number)) for number, entry in enumerate(value)))
    return {path}


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.booleans(), st.booleans())
@settings(deadline=None)
def test_toml_keys_are_where_the_scanner_says(document: dict[str, Any], multiline: bool, crlf: bool) -> None:
    """Every place is a path of the parsed document, every leaf has a place, and the key stands there."""
    text = tomli_w.dumps(document, multiline_strings=multiline)
    if crlf:
        text = text.replace("\n", "\r\n")
    parsed = tomllib.loads(text)
    places = toml_places(text)
    assert list_leaves(parsed) <= set(places)
    lines = text.replace("\r\n", "\n").split("\n")
    for path, place in places.items():
        value: Any = parsed
        for part in path:
            value = value[part]
        shown = lines[place.line - 1][place.column - 1 : place.column - 1 + place.width]
        assert len(shown) == place.width
        if isinstance(value, bool | int) and not isinstance(value, dict):
            assert tomllib.loads(f"v = {shown}")["v"] == value


INI_LINES = st.sampled_from(
    [
        "[a]",
        "[b]",
        "[DEFAULT]",
        "k = v",
        "k2: v",
        "x y = 1 ; no comment",
        "  more",
        "\tmore",
        "# c",
        "; c",
        "",
        "k3 =",
        "K = %d",
    ]
)


@given(st.lists(INI_LINES, max_size=12))
def test_ini_keys_are_where_the_scanner_says(lines: list[str]) -> None:
    """What configparser accepts has the same sections and keys, and their values begin where the scanner says."""
    text = "\n".join(lines)
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    places = ini_places(text)
    expected = {
        (section, key) for section in parser.sections() for key in parser[section] if key not in parser.defaults()
    }
    found = {(section, key) for section, key in places if key and section != "DEFAULT"}
    assert expected <= found
    assert {key for section, key in places if section == "DEFAULT" and key} == set(parser.defaults())
    for section, key in found:
        place = places[section, key]
        value = parser.get(section, key).strip().split("\n")[0]
        assert lines[place.line - 1][place.column - 1 :].strip() == value
