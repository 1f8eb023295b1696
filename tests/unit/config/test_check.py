"""`config check` sees what a start does not: other servers' sections and values that lose."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wiverno.config.check import check
from wiverno.config.lint import find_risks
from wiverno.config.settings import Adjustments


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def headlines(text: str, name: str = "a.toml", **environ: str) -> list[str]:
    Path(name).write_text(text)
    return [problem.headline() for problem in check(name, environ=environ).problems]


def test_shadowed_values_are_checked() -> None:
    assert headlines("[server]\nport = 99999\n", WIVERNO_PORT="5") == [
        "a.toml:2: port: must be at most 65535 (got 99999)"
    ]


def test_shadowed_references_are_checked() -> None:
    assert headlines('[server]\nport = "${X}"\n', WIVERNO_PORT="5") == ["a.toml:2: port: X is not set"]


def test_addresses_that_are_replaced_are_checked() -> None:
    assert headlines('[server]\nlisten = ["x:y"]\n', WIVERNO_PORT="5") == [
        "a.toml:2: listen: \"y\" is not a port (0 to 65535) (got 'x:y')"
    ]


def test_every_server_and_every_application_is_checked() -> None:
    text = '["server:a"]\nport = "x"\n["server:b"]\nport = "y"\n["app:c"]\nuse = 1\n["app:d"]\nuse = "${NO}"\n'
    assert [line.split(" ")[0] for line in headlines(text)] == ["a.toml:2:", "a.toml:4:", "a.toml:6:", "a.toml:8:"]


def test_a_sections_mistakes_are_named_once() -> None:
    assert len(headlines('[server]\nprt = 1\n["server:b"]\nport = 1\n[logging]\nx = 1\n')) == 2


def test_another_servers_section_is_not_looked_into() -> None:
    """pserve may serve another section with any server; `wiverno run` reads the main one."""
    text = '["server:b"]\nuse = "egg:gunicorn#main"\nprot = 1\n'
    assert headlines(f"[server]\n{text}") == []
    warnings = check("a.toml", environ={}).warnings
    assert warnings == (
        "[server:b] is for another server (egg:gunicorn#main): wiverno run refuses it, pserve hands it over",
    )
    assert headlines(text.replace(":b", ":main")) == [
        "a.toml:2: use: is another server, whose settings wiverno does not read (got 'egg:gunicorn#main')"
    ]
    assert headlines('[server]\nuse = "egg:waitress#main"\nprot = 1\n') == ["a.toml:3: prot: unknown setting"]


def test_a_file_without_a_main_server_is_warned_of() -> None:
    assert headlines('["server:b"]\nport = 1\n') == []
    expected = "a.toml: there is no [server] (there: b); name another one: --server-name b"
    assert check("a.toml", environ={}).warnings == (expected,)


def test_a_good_file_gives_its_configuration() -> None:
    Path("a.toml").write_text("[server]\nport = 1\n")
    findings = check("a.toml", environ={})
    assert findings.problems == ()
    assert findings.loaded is not None
    assert findings.loaded.adjustments.port == 1
    assert findings.file == "a.toml"


def test_without_a_file_the_other_sources_are_checked() -> None:
    assert check(environ={}).loaded is not None
    findings = check(environ={"WIVERNO_PORT": "x", "WIVERNO_PROT": "1"})
    assert [problem.key for problem in findings.problems] == ["port"]
    assert findings.warnings == ("WIVERNO_PROT is no setting of wiverno and was ignored; did you mean WIVERNO_PORT?",)


def test_traps_of_ini_files_are_warnings() -> None:
    Path("a.ini").write_text("[DEFAULT]\nport = 1\n[server:main]\nport = 2\nident = x ; y\n[server:b]\nident = a #b\n")
    warnings = check("a.ini", environ={}).warnings
    assert [warning.split(" ")[:2] for warning in warnings] == [
        ["a.ini:4:", "port"], ["a.ini:5:", "ident"], ["a.ini:7:", "ident"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "warning"),
    [
        ({"trusted_proxy": "*", "trusted_proxy_headers": "forwarded"}, "trusted_proxy = * trusts"),
        ({"trusted_proxies": "::/0", "trusted_proxy_headers": "forwarded"}, "trusted_proxies trusts"),
        ({"trusted_proxy": "proxy.internal", "trusted_proxy_headers": "forwarded"}, "never matches"),
        ({"expose_tracebacks": True}, "expose_tracebacks shows"),
        ({"graceful_timeout": 0}, "graceful_timeout = 0 sets no deadline"),
        ({"connection_limit": 10**9}, "file descriptors"),
        ({"listen": "example.org:80", "expose_tracebacks": True}, "example.org:80"),
        ({"host": "*", "expose_tracebacks": True}, "*:8080"),
    ],
)
def test_risky_combinations_are_warned_of(values: dict[str, object], warning: str) -> None:
    found = find_risks(Adjustments(**values))
    assert len(found) == 1
    assert warning in found[0]


def test_a_system_without_a_descriptor_limit_warns_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert find_risks(Adjustments(connection_limit=10**9)) == []


@pytest.mark.parametrize(
    "values",
    [
        {}, {"host": "127.0.0.1", "trusted_proxy": "*"}, {"host": "::1", "expose_tracebacks": True},
        {"unix_socket": "/x", "trusted_proxy": "*"}, {"host": "localhost", "expose_tracebacks": True},
        {"trusted_proxy": "10.0.0.1"}, {"trusted_proxy": "localhost"},
    ],
    ids=str,
)  # fmt: skip
def test_safe_combinations_are_not(values: dict[str, object]) -> None:
    assert find_risks(Adjustments(**values)) == []
