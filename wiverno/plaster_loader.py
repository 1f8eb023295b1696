"""plaster's loader for TOML files: pserve, pshell, proutes and prequest read a TOML file as they read an INI file.

plaster is not imported: it knows its loaders by their methods alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from wiverno.application_process import prepare_process
from wiverno.applications import load_configured_application
from wiverno.config.formats.document import flatten
from wiverno.config.formats.toml_file import TomlFile, read_toml
from wiverno.config.loader import LoadedConfig, load, require_server
from wiverno.config.logging_setup import set_up_logging
from wiverno.pserve_runner import Runner, create_server_runner
from wiverno.standard_streams import prepare_streams
from wiverno.start_errors import exit_on_config_error, load_named
from wiverno.wsgi_types import Application


class TomlLoader:
    """plaster's loader for TOML files; pserve, pshell, proutes and prequest call its methods by name.

    Args:
        uri: plaster's URL object: `path`, `fragment` and `options` are used.
    """

    def __init__(self, uri: Any) -> None:
        prepare_streams()
        self.uri = uri

    def get_sections(self) -> list[str]:
        """Return the names of the file's tables."""
        return [name for name, value in self._file().data.items() if isinstance(value, dict | list)]

    def get_settings(self, section: str | None = None, defaults: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return one table; pserve's knows every file that was read, so that --reload watches them all."""
        name = section or self.uri.fragment or "main"
        kind, _, own_name = name.partition(":")
        if kind == "server":
            loaded = self._load(defaults, server_name=own_name or "main")
            return {"port": str(loaded.adjustments.port)} if loaded.is_own_server else dict(loaded.server_settings)
        if kind == "app":
            return self.get_wsgi_app_settings(own_name or "main", defaults)
        loaded = self._load(defaults)
        if kind != "pserve":
            return dict(loaded.tables.get(name, {}))
        watched = list(_stripped_lines(loaded.pserve.get("watch_files", ())))
        watched += [str(file.resolve()) for file in loaded.files]
        return {**loaded.pserve, "watch_files": list(dict.fromkeys(watched))}

    def setup_logging(self, defaults: Mapping[str, str] | None = None) -> None:
        """Set logging up as the table [logging] says; without it as plain as possible."""
        loaded = self._load(defaults)
        exit_on_config_error(lambda: set_up_logging(loaded))

    def get_wsgi_app(self, name: str | None = None, defaults: Mapping[str, str] | None = None) -> Application:
        """Return the application [app], or ["app:NAME"], with its middleware."""
        app_name = name or self._fragment("app")
        loaded = self._load(defaults, app_name=app_name)
        use = loaded.app.use if loaded.app else ""

        def load_prepared() -> Application:
            prepare_process(loaded.adjustments)
            return load_configured_application(loaded, defaults)

        return exit_on_config_error(lambda: load_named(use, load_prepared))

    def get_wsgi_app_settings(
        self, name: str | None = None, defaults: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the settings of an application, with dotted names."""
        app = self._load(defaults, app_name=name or self._fragment("app")).app
        return flatten(app.settings) if app else {}

    def get_wsgi_filter(self, name: str | None = None, defaults: Mapping[str, str] | None = None) -> NoReturn:
        """Refuse: middleware stands in [[middleware]] and has no name."""
        message = f"{self.uri.path} has no filter {name!r}: middleware stands in [[middleware]], without names"
        raise LookupError(message)

    def get_wsgi_server(self, name: str | None = None, defaults: Mapping[str, str] | None = None) -> Runner:
        """Return the server [server], or ["server:NAME"]; another server's table is handed over as it stands."""
        server_name = name or self._fragment("server")
        loaded = self._load(defaults, server_name=server_name)
        exit_on_config_error(lambda: require_server(self._file(), server_name))
        reread = lambda: self._read(defaults, server_name=server_name)  # noqa: E731
        return exit_on_config_error(lambda: create_server_runner(loaded, defaults, reread))

    def _file(self) -> TomlFile:
        return exit_on_config_error(lambda: read_toml(self.uri.path))

    def _load(
        self, defaults: Mapping[str, str] | None = None, *, app_name: str = "main", server_name: str = "main"
    ) -> LoadedConfig:
        return exit_on_config_error(lambda: self._read(defaults, app_name=app_name, server_name=server_name))

    def _read(
        self, defaults: Mapping[str, str] | None, *, app_name: str = "main", server_name: str = "main"
    ) -> LoadedConfig:
        variables = self._variables(defaults)
        return load(self.uri.path, variables=variables, app_name=app_name, server_name=server_name, hand_over=True)

    def _variables(self, defaults: Mapping[str, str] | None) -> dict[str, str]:
        return {**dict(self.uri.options or {}), **(defaults or {})}

    def _fragment(self, kind: str) -> str:
        """Return the URL's fragment if the file has a table of that name, so that #NAME need not name both."""
        name: str | None = self.uri.fragment
        return name if name and name in self._file().names(kind) else "main"


def _stripped_lines(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from filter(None, (line.strip() for line in value.splitlines()))
    elif isinstance(value, list | tuple):
        yield from map(str, value)
