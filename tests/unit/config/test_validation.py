"""Rules between settings, on plain values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from wiverno.config.errors import ConfigError
from wiverno.config.fields.units import TcpAddress, UnixAddress
from wiverno.config.settings import Adjustments
from wiverno.config.validation import find_conflicts, find_contradictions, find_deprecations
from wiverno.static.mounts import Mount

DEFAULTS = Adjustments().model_dump()


def contradictions(admin: TcpAddress | UnixAddress | None = None, **given: Any) -> list[str]:
    """Return the problems of the default values with some of them changed."""
    found = find_contradictions(DEFAULTS | given, given, (), admin)
    return [problem.headline() for problem in found]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (("host", "listen"), "listen: may not be set if host is set"),
        (("host", "port", "unix_socket"), "unix_socket: may not be set if host and port are set"),
        (("sockets", "listen"), "sockets: may not be set if listen is set"),
        (("host", "port"), None),
        (("listen", "threads"), None),
    ],
)
def test_addresses_exclude_one_another(given: tuple[str, ...], problem: str | None) -> None:
    """One source has one way to say where to listen; the problem names both sides."""
    assert [found.headline() for found in find_conflicts(given)] == ([problem] if problem else [])


def test_defaults_do_not_contradict_one_another() -> None:
    """No rule applies where no source sets anything."""
    assert contradictions() == []


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"trusted_proxy_count": 2}, "trusted_proxy_count"),
        ({"trusted_proxy": "*", "trusted_proxy_headers": {"forwarded", "x-forwarded-for"}}, "trusted_proxy_headers"),
        ({"trusted_proxies": ("10.0.0.0/8",), "trusted_proxy_headers": frozenset()}, "trusted_proxies"),
        ({"mode": "simple", "threads": 4}, "threads"),
        ({"mode": "simple", "max_threads": 4}, "max_threads"),
        ({"mode": "simple", "max_requests_per_client": 1}, "max_requests_per_client"),
        ({"threads": 8, "max_threads": 4}, "max_threads"),
        ({"max_threads": 2}, "max_threads"),
        ({"ipv4": False, "ipv6": False}, "ipv6"),
        ({"keyfile": "shop.key"}, "keyfile"),
        ({"client_cert": "required"}, "client_cert"),
        ({"stuck_requests": "recycle"}, "stuck_requests"),
        ({"admin_metrics_application": True}, "admin_metrics_application"),
        ({"max_requests_jitter": 5}, "max_requests_jitter"),
    ],
)  # fmt: skip
def test_a_setting_without_its_partner_is_a_problem(given: dict[str, Any], key: str) -> None:
    """The problem names the setting to correct."""
    (problem,) = contradictions(**given)
    assert problem.startswith(f"{key}: ")


@pytest.mark.parametrize(("threads", "most"), [(4, 0), (4, 4), (4, 64), (1, 1)])
def test_more_threads_than_at_the_start_are_allowed(threads: int, most: int) -> None:
    assert contradictions(threads=threads, max_threads=most) == []


def test_a_limit_below_the_number_of_threads_says_both() -> None:
    assert contradictions(threads=8, max_threads=3) == [
        "max_threads: 3 is below threads, which is 8: there are never fewer"
    ]
    assert contradictions(max_threads=3) == [
        "max_threads: 3 is below threads, which is 4, the default: there are never fewer"
    ]


def test_an_admin_address_that_others_reach_must_be_wanted() -> None:
    """Only admin_public allows one; loopback addresses and Unix sockets are always right."""
    public = TcpAddress("10.0.0.1", 9090)
    assert contradictions(public)[0].startswith("admin_listen: 10.0.0.1:9090 can be reached by other machines")
    assert contradictions(public, admin_public=True) == []
    assert contradictions(TcpAddress("::1", 9090)) == contradictions(UnixAddress("/run/admin.sock")) == []


def test_a_unix_path_that_the_system_refuses() -> None:
    """The problem names the setting that has the path."""
    address = UnixAddress("/" + "x" * 200)
    found = find_contradictions(DEFAULTS, (), [address], address)
    assert [problem.key for problem in found] == ["unix_socket", "admin_listen"]
    assert "may have" in found[0].message


def test_deprecated_uses_are_one_sentence_each() -> None:
    """All settings that do nothing share one sentence; trusted_proxy alone is deprecated as in waitress."""
    values = DEFAULTS | {"trusted_proxy": "127.0.0.1"}
    inert = ["send_bytes", "cleanup_interval"]
    first, second = find_deprecations(values, {"trusted_proxy", *inert}, inert)
    assert first.startswith("send_bytes, cleanup_interval do nothing")
    assert second.startswith("trusted_proxy is set without trusted_proxy_headers")
    assert find_deprecations(values, {"trusted_proxy", "trusted_proxy_headers"}, inert) == []


def test_directories_of_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that can't be served is named, with the place of its key."""
    (tmp_path / "file").touch()
    (tmp_path / "locked").mkdir()
    names = ["nowhere", "file", "file/x", "locked", "x\0", "."]
    mounts = [Mount(f"/{number}", str(tmp_path / name)) for number, name in enumerate(names)]
    monkeypatch.setattr(os, "access", lambda path, mode: not path.endswith("locked"))  # root may read everything
    found = find_contradictions(DEFAULTS | {"static": tuple(mounts)}, (), [], None)
    with pytest.raises(ValueError, match="embedded null") as null_byte:  # Python 3.14 has other words for it
        Path("x\0").stat()
    assert [(problem.item, problem.message.replace(str(tmp_path), "…")) for problem in found] == [
        ("0.directory", "/0: there is no directory …/nowhere"),
        ("1.directory", "/1: …/file is no directory"),
        ("2.directory", "/2: …/file/x: Not a directory"),
        ("3.directory", "/3: …/locked can't be read by this user"),
        ("4.directory", f"/4: …/x\0: {null_byte.value}"),
    ]


def redirect_problems(**values: Any) -> list[str]:
    """Return the problems of settings that are given together."""
    try:
        Adjustments.from_keywords(**values)
    except ConfigError as error:
        return [problem.headline() for problem in error.problems]
    return []


SITE: dict[str, Any] = {"certfile": "x.pem", "listen": "127.0.0.1:443", "redirect_listen": "127.0.0.1:80"}


def test_redirects(tmp_path: Path) -> None:
    """The plain port needs TLS beside it, another address than TLS, and a directory that is there."""
    (tmp_path / "file").touch()
    (tmp_path / "acme").mkdir()
    assert redirect_problems(**SITE, redirect_port=8443, acme_webroot=str(tmp_path / "acme")) == []
    assert redirect_problems(**SITE | {"listen": "127.0.0.1:0", "redirect_listen": "127.0.0.1:0"}) == []
    assert redirect_problems(redirect_listen="*:80") == [
        "redirect_listen: has no meaning without certfile: nothing speaks TLS here"
    ]
    assert redirect_problems(**SITE | {"redirect_listen": "127.0.0.1:443"}) == [
        "redirect_listen: 127.0.0.1:443 is where TLS is spoken: name another address"
    ]
    assert redirect_problems(**SITE | {"listen": "unix:/run/x.sock"}) == [
        "redirect_listen: needs an address with TLS, which Unix sockets do not speak"
    ]
    assert redirect_problems(**SITE | {"redirect_listen": "unix:/run/x.sock"}) == [
        "redirect_listen: expected host:port, [v6]:port, *:port or fd:NAME (got 'unix:/run/x.sock')"
    ]
    assert redirect_problems(redirect_port=443, acme_webroot="/x") == [
        "acme_webroot: has no meaning without redirect_listen",
        "redirect_port: has no meaning without redirect_listen",
    ]
    for name, reason in (("missing", "there is no directory {}"), ("file", "{} is no directory")):
        path = str(tmp_path / name)
        assert redirect_problems(**SITE, acme_webroot=path) == [f"acme_webroot: {reason.format(path)}"]
    assert redirect_problems(**SITE, acme_webroot=f"{tmp_path}/file/x") == [
        f"acme_webroot: {tmp_path}/file/x: Not a directory"
    ]


def test_addresses_of_the_plain_port() -> None:
    """A host alone has port 80; an address named twice is one."""
    made = Adjustments.from_keywords(certfile="x.pem", redirect_listen="127.0.0.1 [::1]:81 *:82 fd:7 127.0.0.1:80")
    assert list(map(str, made.redirect_addresses)) == ["127.0.0.1:80", "[::1]:81", "*:82", "fd:7"]
