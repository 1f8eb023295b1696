"""Precedence, provenance, files: what a start gets, and where each value comes from."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wiverno.config import loader
from wiverno.config.errors import ConfigError
from wiverno.config.fields.units import TcpAddress, UnixAddress
from wiverno.config.loader import LoadedConfig, load, load_section


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in a separate, empty directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    return name


def loaded(text: str, name: str = "a.toml", environ: Mapping[str, str] | None = None, **more: Any) -> LoadedConfig:
    return load(write(name, text), environ=environ or {}, **more)


def chain(found: LoadedConfig, name: str) -> list[tuple[object, str]]:
    return [(raw, str(origin)) for raw, origin in found.origins[name]]


def test_nothing_at_all_gives_the_defaults() -> None:
    found = load(environ={})
    assert found.adjustments.port == 8080
    assert chain(found, "port") == [(8080, "default")]
    assert (found.path, found.files, found.app, found.warnings) == (None, (), None, ())


def test_option_over_environment_over_child_over_base_over_default() -> None:
    write("base.toml", "[server]\nthreads = 2\nqueue_size = 2\nport = 2\nbacklog = 2\n")
    text = 'extends = "base.toml"\n[server]\nthreads = 3\nqueue_size = 3\nport = 3\n'
    found = loaded(text, environ={"WIVERNO_THREADS": "4", "WIVERNO_QUEUE_SIZE": "4"}, options={"threads": "5"})
    made = found.adjustments
    assert (made.threads, made.queue_size, made.port, made.backlog) == (5, 4, 3, 2)
    assert chain(found, "threads") == [
        ("5", "option --threads"), ("4", "environment variable WIVERNO_THREADS"), (3, "a.toml:3"),
        (2, "base.toml:2"), (4, "default"),
    ]  # fmt: skip
    assert found.files == (Path("a.toml"), Path("base.toml"))


def test_the_file_is_chosen_by_the_caller_then_the_environment_then_the_directory() -> None:
    write("wiverno.toml", "[server]\nport = 1\n")
    write("two.toml", "[server]\nport = 2\n")
    assert load(environ={}).adjustments.port == 1
    assert load(environ={"WIVERNO_CONFIG": "two.toml"}).adjustments.port == 2
    assert load("wiverno.toml", environ={"WIVERNO_CONFIG": "two.toml"}).adjustments.port == 1
    assert load(environ={"WIVERNO_CONFIG": ""}).adjustments.port == 1


def test_a_named_file_must_be_there() -> None:
    with pytest.raises(ConfigError, match=r"error: no\.toml: no such file or directory"):
        load("no.toml", environ={})
    with pytest.raises(ConfigError, match=r"environment variable WIVERNO_CONFIG: no\.toml: no such file"):
        load(environ={"WIVERNO_CONFIG": "no.toml"})
    write("production.toml", "")
    with pytest.raises(ConfigError, match=r'did you mean "production\.toml"'):
        load("prodution.toml", environ={})
    with pytest.raises(ConfigError, match="is a directory"):
        load(".", environ={})


def test_an_empty_variable_counts_as_unset() -> None:
    found = loaded("[server]\nport = 1\n", environ={"WIVERNO_PORT": ""})
    assert found.adjustments.port == 1


def test_a_port_over_a_listen_with_one_address_keeps_its_host() -> None:
    """Else WIVERNO_PORT would open a server on the loopback to the world."""
    found = loaded('[server]\nlisten = ["127.0.0.1:${PORT:-8000}"]\n', environ={"WIVERNO_PORT": "9"})
    assert found.adjustments.addresses == (TcpAddress("127.0.0.1", 9),)
    assert chain(found, "host") == [("127.0.0.1", "a.toml:2"), ("0.0.0.0", "default")]
    assert found.replaced == {"listen": "port (environment variable WIVERNO_PORT)"}
    assert chain(found, "listen")[0] == ((), "default")


def test_a_host_over_a_listen_keeps_its_port() -> None:
    found = loaded('[server]\nlisten = "[::1]:${PORT:-8000}"\n', options={"host": "127.0.0.1"})
    assert found.adjustments.addresses == (TcpAddress("127.0.0.1", 8000),)


@pytest.mark.parametrize(
    ("below", "above", "addresses"),
    [
        ('listen = ["a:1", "b:2"]', {"port": "9"}, (TcpAddress("0.0.0.0", 9),)),
        ('listen = ["unix:/x"]', {"port": "9"}, (TcpAddress("0.0.0.0", 9),)),
        ('listen = ["${ALL:-a:1}"]', {"port": "9"}, (TcpAddress("0.0.0.0", 9),)),
        ('listen = "a"', {"port": "9"}, (TcpAddress("a", 9),)),
        ('listen = ["*:1"]', {"port": "9"}, (TcpAddress("", 9),)),
        ('listen = ["a:1"]', {"port": "9", "host": "b"}, (TcpAddress("b", 9),)),
        ('unix_socket = "/x"', {"port": "9"}, (TcpAddress("0.0.0.0", 9),)),
        ('host = "a"\nport = 1', {"listen": "b:2"}, (TcpAddress("b", 2),)),
        ('host = "a"\nport = 1', {"unix_socket": "/x"}, (UnixAddress("/x"),)),
        ('host = "a"\nport = 1', {"port": "9"}, (TcpAddress("a", 9),)),
    ],
)
def test_a_higher_address_replaces_a_lower_one(below: str, above: dict[str, str], addresses: tuple[Any, ...]) -> None:
    assert loaded(f"[server]\n{below}\n", options=above).adjustments.addresses == addresses


def test_references_are_looked_up_in_variables_then_in_the_environment() -> None:
    text = '[server]\nport = "${http_port:-1}"\n[app]\nuse = "a:${NAME}"\nsettings = { x = ["$${a} $$ ${NAME}", 5] }\n'
    assert loaded(text, environ={"NAME": "n"}).adjustments.port == 1
    assert loaded(text, environ={"NAME": "n", "http_port": "2"}).adjustments.port == 2
    found = loaded(text, environ={"NAME": "n", "http_port": "2"}, variables={"http_port": "3"})
    assert found.adjustments.port == 3
    assert found.app is not None
    assert (found.app.use, found.app.settings) == ("a:n", {"x": ["${a} $ n", 5]})
    assert found.origins["port"][0][0] == "${http_port:-1}"


def test_references_are_replaced_in_one_pass_and_only_in_files() -> None:
    text = '[app]\nuse = "a:b"\nsettings = { x = "${A}" }\n[server]\nserver_name = "x"\n'
    found = loaded(text, environ={"A": "${B}$$", "WIVERNO_SERVER_NAME": "${A}"}, options={"ident": "$$"})
    assert found.app is not None
    assert found.app.settings == {"x": "${B}$$"}
    assert (found.adjustments.server_name, found.adjustments.ident) == ("${A}", "$$")


def test_secrets_come_from_files_beside_the_configuration() -> None:
    write("conf/secret", "s3cret\r\n")
    text = '[app]\nuse = "a:b"\nsettings = { key = "${file:secret}", where = "${here}" }\n'
    found = loaded(text, "conf/a.toml")
    assert found.app is not None
    assert found.app.settings == {"key": "s3cret", "where": str(Path("conf").absolute())}
    assert found.app.raw_settings["key"] == "${file:secret}"


def test_a_secret_file_that_is_no_text_is_an_error() -> None:
    Path("secret").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="secret is not UTF-8 text"):
        loaded('[app]\nuse = "${file:secret}"\n')


def test_the_application_and_its_middleware() -> None:
    found = loaded(
        '[app]\nuse = "a:b"\nfactory = true\n[app.settings]\nx.y = 1\n'
        '[[middleware]]\nuse = "m:One"\n[[middleware]]\nuse = "m:Two"\nsettings = { z = 2 }\n'
    )
    assert found.app is not None
    assert (found.app.use, found.app.factory, found.app.settings) == ("a:b", True, {"x": {"y": 1}})
    assert str(found.app.origin) == "a.toml:2"
    assert {name: str(origin) for name, origin in found.app.places.items()} == {"x.y": "a.toml:5"}
    assert [(spec.use, spec.settings) for spec in found.middleware] == [("m:One", {}), ("m:Two", {"z": 2})]


def test_tables_merge_with_the_base_and_arrays_replace() -> None:
    write("base.toml", '[app]\nuse = "a:b"\nsettings = { x = 1, y = [1, 2] }\n[[middleware]]\nuse = "m:Base"\n')
    found = loaded('extends = "base.toml"\n[app.settings]\ny = [3]\n[[middleware]]\nuse = "m:Child"\n')
    assert found.app is not None
    assert found.app.settings == {"x": 1, "y": [3]}
    assert str(found.app.origin) == "base.toml:2"
    assert [spec.use for spec in found.middleware] == ["m:Child"]


def test_named_servers_and_applications() -> None:
    text = '["server:admin"]\nport = 9\n["app:other"]\nuse = "a:other"\n[app]\nuse = "a:b"\n[server]\nport = 8\n'
    found = loaded(text, server_name="admin", app_name="other")
    assert found.adjustments.port == 9
    assert found.app is not None
    assert found.app.use == "a:other"
    with pytest.raises(ConfigError) as caught:
        loaded(text, server_name="admn", app_name="x")
    assert [problem.message for problem in caught.value.problems] == [
        'there is no ["server:admn"] (there: admin, main)', 'there is no ["app:x"] (there: main, other)',
    ]  # fmt: skip
    assert 'did you mean "admin"?' in str(caught.value)


def test_logging_is_ready_for_dictconfig_and_other_tables_pass() -> None:
    found = loaded(
        '[logging.root]\nlevel = "${LEVEL:-INFO}"\n[pserve]\nwatch_files = ["a"]\n[pshell]\nm = "x"\n[tool.x]\ny = 1\n'
    )
    assert found.logging == {"version": 1, "disable_existing_loggers": False, "root": {"level": "INFO"}}
    assert found.pserve == {"watch_files": ["a"]}
    assert found.tables == {"pshell": {"m": "x"}, "tool": {"x": {"y": 1}}}


def test_another_servers_section_is_handed_over_unchecked() -> None:
    found = loaded(
        '[server]\nuse = "egg:waitress#main"\nprot = "${P:-5}"\nthreads = 3\n',
        environ={"WIVERNO_THREADS": "2"},
        hand_over=True,
    )
    assert not found.is_own_server
    assert found.server_use == "egg:waitress#main"
    assert found.server_settings == {"prot": "5", "threads": 3}
    assert found.adjustments.threads == 2


@pytest.mark.parametrize(
    ("use", "mode"), [("egg:wiverno", "threaded"), ("wiverno", "threaded"), ("egg:wiverno#simple", "simple")]
)
def test_our_own_server_is_recognised(use: str, mode: str) -> None:
    found = loaded(f'[server]\nuse = "{use}"\n')
    assert found.is_own_server
    assert found.adjustments.mode == mode


def test_a_start_can_have_another_default_mode() -> None:
    """`wiverno run prod` is simple unless something says otherwise."""
    found = load(environ={}, mode="simple")
    assert (found.adjustments.port, chain(found, "mode")[0]) == (8000, ("simple", "default"))
    assert load(environ={"WIVERNO_MODE": "threaded"}, mode="simple").adjustments.port == 8080
    assert loaded('[server]\nmode = "threaded"\n', mode="simple").adjustments.port == 8080


def test_an_explicit_mode_wins_over_use() -> None:
    assert loaded('[server]\nuse = "egg:wiverno#simple"\nmode = "threaded"\n').adjustments.mode == "threaded"


def test_the_application_can_come_from_the_environment_or_the_caller() -> None:
    text = '[app]\nuse = "a:b"\nfactory = true\nsettings = { x = 1 }\n'
    found = loaded(text, environ={"WIVERNO_APP": "c:d"})
    assert found.app is not None
    assert (found.app.use, found.app.settings, str(found.app.origin)) == (
        "c:d", {"x": 1}, "environment variable WIVERNO_APP",
    )  # fmt: skip
    other = load(environ={}).with_app("e:f")
    assert other.app is not None
    assert (other.app.use, other.app.factory) == ("e:f", False)


def test_unknown_variables_are_warnings_and_service_links_are_ignored() -> None:
    found = load(
        environ={
            "WIVERNO_PROT": "1",
            "WIVERNO_PORT": "tcp://10.0.0.1:80",
            "WIVERNO_SERVICE_HOST": "10.0.0.1",
            "WIVERNO_PORT_80_TCP_ADDR": "10.0.0.1",
            "WIVERNO_WEB_SERVICE_PORT_HTTP": "80",
            "WIVERNO__INTERNAL": "x",
            "WIVERNO_ZZZZZZ": "1",
            "WIVERNO_SOCKETS": "1",
        }
    )
    assert found.warnings == (
        (
            "WIVERNO_PORT=tcp://10.0.0.1:80 was ignored: "
            "it looks like a Kubernetes service link (set enableServiceLinks: false)"
        ),
        "WIVERNO_PROT is no setting of wiverno and was ignored; did you mean WIVERNO_PORT?",
        "WIVERNO_SOCKETS is no setting of wiverno and was ignored; did you mean WIVERNO_UNIX_SOCKET?",
        "WIVERNO_ZZZZZZ is no setting of wiverno and was ignored",
    )
    assert found.adjustments.port == 8080


def test_aliases_work_in_every_source() -> None:
    assert load(environ={"WIVERNO_REQUEST_QUEUE_SIZE": "7"}).adjustments.backlog == 7
    assert load(environ={}, options={"request_queue_size": "8"}).adjustments.backlog == 8
    found = loaded("[server]\nrequest_queue_size = 9\n", environ={"WIVERNO_BACKLOG": "x"}, options={"backlog": 5})
    assert found.adjustments.backlog == 5
    assert len(found.origins["backlog"]) == 4


def test_deprecations_are_warnings_of_a_start() -> None:
    found = loaded('[server]\nsend_bytes = 1\ntrusted_proxy = "127.0.0.1"\n')
    assert [warning.split(" ")[0] for warning in found.warnings] == ["send_bytes", "trusted_proxy"]


def test_standard_input_in_either_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("[server]\nport = 5\n"))
    assert load("-", environ={}).adjustments.port == 5
    monkeypatch.setattr("sys.stdin", io.StringIO("[server:main]\nuse = egg:wiverno\nport = 6\n"))
    found = load("-", environ={})
    assert (found.adjustments.port, found.path, found.files) == (6, None, ())


def test_a_file_without_a_telling_suffix_is_recognised() -> None:
    assert loaded("[server:main]\nport = 5\n", "a.conf").adjustments.port == 5
    assert loaded("[server]\nport = 6\n", "a.conf").adjustments.port == 6


def test_the_configuration_of_a_start_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_started", [])
    assert loader.find_active() is None
    found = load(environ={})
    loader.activate(found)
    assert loader.find_active() is found


# INI


def test_an_ini_file_means_what_pserve_makes_of_it() -> None:
    found = loaded(
        "[DEFAULT]\nhttp_port = 6543\n[app:main]\nuse = egg:X\n[server:main]\nuse = egg:wiverno\n"
        "listen =\n    127.0.0.1:%(http_port)s\n    [::1]:${http_port}\n# comment\nident = 100%%\n"
        "get threads = http_port\nset x = y\n[loggers]\nkeys = root\n[pserve]\nwatch_files = a\n    b\n",
        "a.ini",
        variables={"http_port": "99"},
        options={"threads": 3},
    )
    # Arguments do not override [DEFAULT] for %(…)s, as under pserve; they do for ${…}.
    assert found.adjustments.listen == ("127.0.0.1:6543", "[::1]:99")
    assert found.adjustments.ident == "100%"
    assert found.app is not None
    assert found.app.use == f"config:{Path('a.ini').absolute()}#main"
    assert found.logging_ini is not None
    assert found.logging_ini.variables["here"] == str(Path.cwd())
    assert found.pserve == {"watch_files": ["a", "b"]}
    assert chain(found, "threads")[1] == ("99", "a.ini:12")


def test_an_ini_section_can_build_on_others() -> None:
    write("conf/base.ini", "[server:main]\nuse = egg:wiverno#simple\nport = 1\nbacklog = 1\n")
    text = "[server:main]\nuse = common\nport = 3\n[server:common]\nuse = config:base.ini\nport = 2\n"
    text += "connection_limit = 2\n"
    found = loaded(text, "conf/a.ini")
    made = found.adjustments
    assert (made.mode, made.port, made.connection_limit, made.backlog) == ("simple", 3, 2, 1)
    assert [origin for _, origin in chain(found, "port")] == [
        "conf/a.ini:3",
        "conf/a.ini:6",
        "conf/base.ini:3",
        "default",
    ]
    assert found.files == (Path("conf/a.ini"), Path("conf/base.ini"))


def test_keys_that_pastedeploy_drops_are_kept_and_warned_of() -> None:
    text = "[DEFAULT]\nhost = 0.0.0.0\n[server:main]\nuse = egg:wiverno\nhost = 127.0.0.1\nport = 5\n"
    found = loaded(text, "a.ini", variables={"port": "6"})
    assert found.adjustments.addresses == (TcpAddress("127.0.0.1", 5),)
    assert [warning.split(",")[0] for warning in found.warnings] == [
        "a.ini:5: host is also in [DEFAULT] or among pserve's arguments",
        "a.ini:6: port is also in [DEFAULT] or among pserve's arguments",
    ]


def test_named_sections_of_an_ini_file() -> None:
    text = "[server:main]\nport = 1\n[server:admin]\nport = 2\n[app:x]\nuse = egg:X\n[composite:c]\nuse = egg:C\n"
    found = loaded(text, "a.ini", server_name="admin", app_name="c")
    assert found.adjustments.port == 2
    assert found.app is not None
    assert found.app.use.endswith("a.ini#c")
    with pytest.raises(ConfigError, match=r"there is no \[server:y\] \(there: admin, main\)"):
        loaded(text, "a.ini", server_name="y", app_name="z")
    assert loaded(text, "a.ini").app is None


def test_another_server_in_an_ini_file() -> None:
    found = loaded("[server:main]\nuse = egg:waitress#main\nport = 1\n", "a.ini", hand_over=True)
    assert (found.is_own_server, dict(found.server_settings)) == (False, {"port": "1"})
    named = loaded("[server:main]\npaste.server_runner = mod:func\nport = 1\n", "a.ini", hand_over=True)
    assert (named.is_own_server, named.server_use) == (False, "mod:func")


@pytest.mark.parametrize("use", ["egg:waitress#main", "egg:waitress", "call:waitress:serve_paste"])
def test_waitress_section_is_taken(use: str) -> None:
    """Each of its names is a setting here, so the server listens where the file says."""
    for name, quote in (("a.ini", ""), ("a.toml", '"')):
        header = "[server:main]" if name == "a.ini" else "[server]"
        text = f"{header}\nuse = {quote}{use}{quote}\nhost = {quote}127.0.0.1{quote}\nport = 81\nthreads = 7\n"
        found = loaded(text, name)
        assert found.is_own_server
        assert (found.adjustments.host, found.adjustments.port, found.adjustments.threads) == ("127.0.0.1", 81, 7)


@pytest.mark.parametrize(
    "use",
    [
        "egg:gunicorn#main", "egg:paste#http", "egg:Paste#http", "cherrypy", "egg:PasteScript#cherrypy",
        "egg:PasteScript#flup_fcgi", "egg:pyramid#wsgiref", "call:mod:func", "egg:waitress#other", "egg:nothing",
    ],
)  # fmt: skip
def test_another_servers_section_is_not_lost_in_silence(use: str) -> None:
    """Its keys mean nothing here, and without them the server would listen on every address."""
    words = rf"a\.(ini|toml):2: use: is another server, .*\(got '{use}'\)(.|\n)*wiverno config convert a\.(ini|toml)"
    for text, name in (
        (f"[server:main]\nuse = {use}\nhost = 127.0.0.1\n", "a.ini"),
        (f'[server]\nuse = "{use}"\nhost = "127.0.0.1"\n', "a.toml"),
    ):
        if name == "a.ini" and ":" not in use:
            continue  # another section of the file
        with pytest.raises(ConfigError, match=words):
            loaded(text, name)


def test_a_misspelt_server_of_ours_is_named() -> None:
    with pytest.raises(ConfigError, match=r'there is no such server of wiverno.*\n(.*\n)*.*"egg:wiverno#threaded"\?'):
        loaded("[server:main]\nuse = egg:wiverno#treaded\n", "a.ini")


def test_servers_sections_without_the_main_one_are_not_lost_in_silence() -> None:
    text = '["server:web"]\nlisten = ["127.0.0.1:80"]\n'
    with pytest.raises(ConfigError, match=r"there is no \[server\] \(there: web\)\n.*--server-name web"):
        loaded(text)
    assert loaded(text, server_name="web").adjustments.listen == ("127.0.0.1:80",)
    assert loaded(text, hand_over=True).adjustments.listen == ()
    with pytest.raises(ConfigError, match=r"there is no \[server:main\] \(there: web\)"):
        loaded("[server:web]\nuse = egg:wiverno\n", "a.ini")


# What PasteDeploy hands over


SECTIONS = (
    "[DEFAULT]\nport = 1\n[server:main]\nuse = egg:wiverno\nhost = 127.0.0.1\nport = 2\nthreads = x\n"
    "[server:other]\nuse = egg:wiverno\nhost = 127.0.0.1\n"
)


def test_a_handed_over_section_is_found_again() -> None:
    write("a.ini", SECTIONS)
    conf = {"__file__": "a.ini", "here": ".", "port": "1"}
    with pytest.raises(ConfigError) as caught:
        load_section(conf, {"host": "127.0.0.1", "threads": "x"}, environ={"WIVERNO_BACKLOG": "0"})
    assert [str(problem.origin) for problem in caught.value.problems] == [
        "a.ini:7", "environment variable WIVERNO_BACKLOG",
    ]  # fmt: skip


def test_what_pastedeploy_dropped_is_warned_of() -> None:
    write("a.ini", SECTIONS.replace("threads = x", "threads = 5"))
    conf = {"__file__": "a.ini", "port": "1"}
    found = load_section(conf, {"host": "127.0.0.1", "threads": "5"}, environ={})
    assert found.warnings == (
        (
            "a.ini:6: port is also in [DEFAULT] or among pserve's arguments, and PasteDeploy drops such a key from "
            "[server:main]; use ${…} with another name there"
        ),
    )


def test_paths_are_shown_as_a_person_would_type_them() -> None:
    """PasteDeploy's `__file__` is absolute; what is below the working directory is shown from there."""
    write("conf/a.ini", "[server:main]\nuse = egg:wiverno\nport = 5\n")
    found = load_section({"__file__": str(Path("conf/a.ini").absolute())}, {"port": "5"}, environ={})
    assert chain(found, "port")[0] == ("5", "conf/a.ini:3")


def test_a_key_of_two_sections_has_no_line() -> None:
    write("a.ini", SECTIONS.replace("threads = x\n", ""))
    found = load_section({"__file__": "a.ini"}, {"host": "127.0.0.1", "port": "5"}, environ={})
    assert chain(found, "host")[0] == ("127.0.0.1", "a.ini")


def test_a_handed_over_section_knows_variables_and_mode() -> None:
    found = load_section({"http_port": "9"}, {"port": "${http_port:-1}"}, environ={"http_port": "7"}, mode="simple")
    assert (found.adjustments.port, found.adjustments.mode, found.adjustments.backlog) == (9, "simple", 5)
    write("a.ini", "[server:main]\nport = ${http_port:-1}\n")
    found = load_section({"__file__": "a.ini", "http_port": "9"}, {"port": "${http_port:-1}"}, environ={})
    assert (found.adjustments.port, found.path, found.files) == (9, Path("a.ini"), (Path("a.ini"),))
    assert load_section(None, {}, environ={}).adjustments.port == 8080


def test_a_handed_over_section_of_a_file_that_is_gone() -> None:
    found = load_section({"__file__": "gone.ini"}, {"port": "5"}, environ={"WIVERNO_THREADS": "9"})
    assert (found.adjustments.port, found.adjustments.threads) == (5, 9)


@pytest.mark.parametrize(("text", "line"), [("threads = 8\nmax_threads = 4\n", 3), ("max_threads = 3\n", 2)])
def test_fewer_threads_at_most_than_at_the_start_is_an_error_with_its_place(text: str, line: int) -> None:
    """The line of max_threads is named, whether `threads` is set or not."""
    write("a.toml", "[server]\n" + text)
    with pytest.raises(ConfigError, match=rf"error: a\.toml:{line}: max_threads: \d is below threads, which is \d"):
        load("a.toml", environ={})


def test_a_number_of_threads_at_most_is_enough_to_have_threads() -> None:
    """`wiverno run prod --max-threads 8` is not RunServer."""
    found = load(None, environ={}, options={"max_threads": "8"}, mode="simple")
    assert (found.adjustments.mode, found.adjustments.threads, found.adjustments.max_threads) == ("threaded", 4, 8)


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("", {}, "localhost:8000"),
        ("[server]\nport = 81\n", {}, "localhost:81"),
        ("[server]\nhost = '*'\n", {}, "*:8000"),
        ("[server]\nlisten = ['127.0.0.2:82']\n", {"WIVERNO_PORT": "83"}, "127.0.0.2:83"),
        ("[server]\nunix_socket = '/s'\n", {}, "unix:/s"),
    ],
)
def test_the_local_default_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, environ: dict[str, str], expected: str
) -> None:
    """A command for this machine takes RunServer's address where no source names one; half an address is completed."""
    monkeypatch.chdir(tmp_path)
    Path("w.toml").write_text(text)
    assert [str(address) for address in load("w.toml", environ=environ, is_local=True).adjustments.addresses] == [
        expected
    ]
