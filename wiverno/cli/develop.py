"""`wiverno run dev`: the application that the command line or the configuration names, restarted on every change."""

from collections.abc import Iterable, Mapping
from typing import Any

from wiverno.addresses import is_loopback
from wiverno.cli.exit import FAILURE, MISTAKE, end, require_file, warn, warn_of_replaced
from wiverno.cli.options import collect_options
from wiverno.config.loader import LoadedConfig, load
from wiverno.config.settings import SETTINGS, FdAddress, TcpAddress
from wiverno.dev.dev_server import DevServer
from wiverno.dev.hosts import AllowedHosts
from wiverno.start_errors import explain_bind_error

USED = ("host", "port", "listen", "threads", "allowed_hosts", "static")
"""The settings that the development server uses."""


FOR_APPLICATION = ("chdir", "pythonpath", "env", "env_file")
"""The settings that it uses for the application."""


def develop(
    named: tuple[str, str] | None, default: tuple[str, str], kw: Mapping[str, Any], variables: Mapping[str, str]
) -> None:
    """Run the development server.

    Args:
        named: module and attribute that the command line names.
        default: the application if neither the command line nor the configuration names one.
        kw: the command's options.
        variables: for `${…}` in the file.
    """
    settings = collect_options(kw)
    if others := [SETTINGS[name].option for name in settings if name not in USED]:
        end(f"wiverno run dev takes no {others[0]}; it is for wiverno run and wiverno run prod", MISTAKE)
    if kw["check"]:
        end(
            "wiverno run dev takes no --check; wiverno config check --app imports the application and ends",
            MISTAKE,
        )
    loaded = load(kw["config_file"], options=settings, server_name=kw["section"], variables=variables, mode="simple")
    _check_hosts(kw["allow_host"])
    require_file(bool(loaded.files) or kw["config_file"] == "-", section=kw["section"], variables=variables)
    warn([*loaded.warnings, *_notes(loaded)])
    if named is not None:
        warn_of_replaced(loaded, ":".join(named))
    adjustments = loaded.adjustments
    module, name, options = _application(named, default, loaded, kw, variables)
    if _is_given(loaded, "threads"):
        options["threads"] = adjustments.threads
    try:
        DevServer.serve(
            module,
            name,
            adjustments.host,
            adjustments.port,
            watch_dirs=_items(kw["watch"]),
            ignore_patterns=_items(kw["ignore"]),
            allowed_hosts=[*adjustments.allowed_hosts, *kw["allow_host"]],
            live=kw["live"],
            listen=_addresses(loaded),
            static=adjustments.static,
            **options,
        )
    except NotADirectoryError as error:
        hint = "; wiverno run dev has one process, -w names the directories to watch" if kw["watch"].isdigit() else ""
        end(f"{error}{hint}", MISTAKE)
    except OSError as error:
        end(explain_bind_error(error, adjustments), FAILURE)


def _application(
    named: tuple[str, str] | None, default: tuple[str, str], loaded: LoadedConfig, kw: Mapping[str, Any],
    variables: Mapping[str, str],
) -> tuple[str, str, dict[str, Any]]:  # fmt: skip
    """Return module and attribute of what the server's child loads at each restart, and how."""
    module, name = named or default
    use: str | None = f"{module}:{name}"
    shown_as = use
    if named is None and loaded.app is not None:
        if loaded.path is None:
            end("wiverno run dev reads the configuration again after each change: give it a file's name", MISTAKE)
        use, shown_as = None, f"{loaded.app.use} ({loaded.path})"
    elif not any(_is_given(loaded, setting) for setting in FOR_APPLICATION):
        return module, name, {"factory": kw["factory"]}
    arguments = {
        "path": str(loaded.path) if loaded.path else None, "use": use, "factory": kw["factory"],
        "variables": dict(variables), "server_name": kw["section"],
    }  # fmt: skip
    return "wiverno.dev.named", "load_named", {"factory": True, "arguments": arguments, "shown_as": shown_as}


def _check_hosts(names: Iterable[str]) -> None:
    """End the program if `--allow-host` names no host."""
    try:
        AllowedHosts(names)
    except ValueError as error:
        end(f"--allow-host: {error}", MISTAKE)


def _is_given(loaded: LoadedConfig, name: str) -> bool:
    return loaded.origins[name][0][1].kind != "default"


def _addresses(loaded: LoadedConfig) -> list[str]:
    """Return the addresses of listen or unix_socket; none if the configuration uses host and port."""
    if not _is_given(loaded, "listen") and not _is_given(loaded, "unix_socket"):
        return []
    return [str(address) for address in loaded.adjustments.addresses if not isinstance(address, FdAddress)]


def _notes(loaded: LoadedConfig) -> Iterable[str]:
    """Return notes on settings that the development server does not use, and on who can reach it."""
    used = {*USED, *FOR_APPLICATION, "unix_socket", "mode"}
    unused = [name for name in SETTINGS if name not in used and _is_given(loaded, name)]
    unused += ["[logging]"] if loaded.logging or loaded.logging_ini else []
    if unused:
        yield f"the development server does not use {', '.join(unused)}; wiverno run does"
    for address in loaded.adjustments.addresses:
        if isinstance(address, TcpAddress) and not is_loopback(address.host):
            yield f"other machines can reach {address}, and exceptions show source code; 127.0.0.1 is this machine only"


def _items(text: str | None) -> list[str] | None:
    """Return the items between commas."""
    return [item.strip() for item in text.split(",") if item.strip()] if text else None
