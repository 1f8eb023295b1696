"""`wiverno run dev`: what the development server is asked for, and what it is not; nothing is served here."""

import errno
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from wiverno.cli.group import group
from wiverno.dev.dev_server import DevServer

FILE = '[app]\nuse = "shop:app"\n[server]\nhost = "127.0.0.1"\nport = 8001\n'


class Served:
    """Stands where DevServer.serve stands."""

    def __init__(self) -> None:
        self.arguments: tuple[Any, ...] = ()
        self.options: dict[str, Any] = {}
        self.error: OSError | None = None

    def __call__(self, *arguments: Any, **options: Any) -> None:
        if self.error is not None:
            raise self.error
        self.arguments, self.options = arguments, options


@pytest.fixture(autouse=True)
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    found = Served()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(DevServer, "serve", found)
    (tmp_path / "a.toml").write_text(FILE)
    return found


def dev(*words: str) -> Result:
    return CliRunner().invoke(group, ["run", "dev", *words])


def test_run_app_is_the_default(served: Served) -> None:
    assert dev().exit_code == 0
    assert served.arguments == ("run", "app", "localhost", 8000)
    assert "threads" not in served.options
    assert served.options["listen"] == []


def test_options(served: Served) -> None:
    """Lists stand between commas; -w is what to watch."""
    done = dev("shop.wsgi:other", "-w", "src, lib,", "--ignore", "*.tmp", "--threads", "2", "--live", "--port", "1")
    assert done.exit_code == 0, done.output
    assert served.arguments == ("shop.wsgi", "other", "localhost", 1)
    expected = {"watch_dirs": ["src", "lib"], "ignore_patterns": ["*.tmp"], "live": True, "threads": 2}
    assert expected.items() <= served.options.items()


def test_listen_is_used_in_place_of_host_and_port(served: Served) -> None:
    assert dev("--listen", "127.0.0.1:1", "--listen", "[::1]:2").exit_code == 0
    assert served.options["listen"] == ["127.0.0.1:1", "[::1]:2"]


def test_the_application_of_a_configuration_is_made_again_from_its_file(served: Served) -> None:
    """The file's name and the variables are handed over, so that a change of the file counts after a restart."""
    assert dev("--config", "a.toml", "NAME=x").exit_code == 0
    assert served.arguments[:2] == ("wiverno.dev.named", "load_named")
    expected = {"path": "a.toml", "use": None, "factory": False, "variables": {"NAME": "x"}, "server_name": "main"}
    assert served.options["arguments"] == expected
    assert served.options["shown_as"] == "shop:app (a.toml)"


@pytest.mark.parametrize("words", [(), ("other:app",)])
def test_another_server_of_the_file(served: Served, words: tuple[str, ...]) -> None:
    """Directory, import path and variables of the application are those of the table that was named."""
    Path("a.toml").write_text(FILE + '["server:second"]\nport = 8002\nenv = { A = "1" }\n')
    assert dev("--config", "a.toml", "--server-name", "second", *words).exit_code == 0
    assert served.options["arguments"]["server_name"] == "second"


def test_a_name_counts_more_than_the_configuration(served: Served) -> None:
    Path("a.toml").write_text(FILE + "[app.settings]\na = 1\n")
    done = dev("--config", "a.toml", "other:app")
    assert served.arguments == ("other", "app", "127.0.0.1", 8001)
    assert "[app.settings] are not used, because the command line names other:app" in done.output


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ("workers = 2\n", "the development server does not use workers; wiverno run does"),
        ("[logging]\nversion = 1\n", "the development server does not use [logging]; wiverno run does"),
        ('listen = "0.0.0.0:1"\n', "other machines can reach 0.0.0.0:1, and exceptions show source code"),
    ],
)
def test_warnings(settings: str, text: str) -> None:
    """What of the configuration is not used, and that exceptions are shown to other machines."""
    Path("b.toml").write_text(f"[server]\n{settings}")
    done = dev("--config", "b.toml")
    assert done.exit_code == 0
    assert text in done.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--workers", "2"], "wiverno run dev takes no --workers"),
        (["--check"], "wiverno run dev takes no --check"),
        (["--server-name", "x"], "--server-name x is a table of a file"),
    ],
)
def test_mistakes_have_status_2(served: Served, words: list[str], text: str) -> None:
    done = dev(*words)
    assert done.exit_code == 2
    assert text in done.output
    assert served.arguments == ()


def test_a_number_of_workers_is_no_folder_to_watch(served: Served) -> None:
    served.error = NotADirectoryError("4: there is no such folder to watch")
    done = dev("-w", "4")
    assert done.exit_code == 2
    assert "wiverno run dev has one process, -w names the directories to watch" in done.output


def test_a_busy_address_has_status_1(served: Served) -> None:
    served.error = OSError(errno.EADDRINUSE, "Address already in use: 127.0.0.1:8000")
    done = dev()
    assert done.exit_code == 1
    assert "Address already in use" in done.output


def test_standard_input_can_not_be_read_again(served: Served) -> None:
    done = CliRunner().invoke(group, ["run", "dev", "--config", "-"], input=FILE)
    assert done.exit_code == 2
    assert "reads the configuration again after each change: give it a file's name" in done.output


def test_allowed_hosts(served: Served) -> None:
    """The configuration's hosts are answered beside those of --allow-host; a mistake is named."""
    done = dev("shop:app", "--allow-host", "dev.example", "--allowed-hosts", "*.shop.example")
    assert done.exit_code == 0, done.output
    assert served.options["allowed_hosts"] == ["*.shop.example", "dev.example"]
    done = dev("shop:app", "--allow-host", "www.*.example")
    assert done.exit_code == 2
    assert 'error: --allow-host: "www.*.example": * stands only in front' in done.output
