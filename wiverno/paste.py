"""The doors that PasteDeploy and plaster open: `pserve development.ini`, `pserve production.toml`, and `app_from`.

An application or middleware is named by `module:attribute`, or by one of PasteDeploy's expressions (egg:, call:,
config:), which PasteDeploy itself resolves. A mistake in a configuration is reported completely and ends the
process with status 2 before the application is imported; plaster is not imported at all, since its loaders are
known by their methods alone.
"""

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from wiverno.config.environment import directory_name
from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.formats.document import dotted
from wiverno.config.formats.paste_loading import utf8_files
from wiverno.config.formats.toml_file import TomlFile, read_toml
from wiverno.config.loader import AppSpec, LoadedConfig, activate, load, load_section, require_server, section_reader
from wiverno.config.logging_setup import set_up_logging
from wiverno.config.reloading import Rereading
from wiverno.config.settings import Adjustments
from wiverno.files import started_in
from wiverno.importer import ImportTargetError, load_object
from wiverno.serving import exit_with_error, explain_bind_error, load_named, prepared_metrics, run_server
from wiverno.standard_streams import prepare_streams, say
from wiverno.workers.process_exit import ends_with_pserve
from wiverno.workers.reexec import inherited_worker, this_program
from wiverno.workers.supervisor import StartFailedError

Application = Callable[..., Any]
Runner = Callable[[Application], int]
Result = TypeVar("Result")

PASTE_SCHEMES = ("egg:", "call:", "config:")

# Entry points of PasteDeploy


def server_factory(global_conf: Mapping[str, str] | None, **kw: str) -> Runner:
    """Return the server of `use = egg:wiverno#main`; a mistake in its section ends the process with status 2."""
    return _section_runner(global_conf or {}, kw)


def simple_factory(global_conf: Mapping[str, str] | None, **kw: str) -> Runner:
    """Return the server of `use = egg:wiverno#simple`: RunServer, one request at a time."""
    return _section_runner(global_conf or {}, kw, "simple")


def app_factory(global_conf: Mapping[str, str], app: str, factory: str = "false", **settings: str) -> Application:
    """Return the application of `use = egg:wiverno` in [app:...].

    Args:
        global_conf: the file's [DEFAULT] and pserve's variables; not used.
        app: `module:attribute`.
        factory: true if the attribute makes the application from the section's other keys.
        **settings: the section's other keys.
    """
    from wiverno.config.fields.units import read_boolean

    spec = AppSpec(app, read_boolean(factory), settings, Origin("file", str(global_conf.get("__file__", "[app]"))))
    return _or_exit(lambda: load_named(app, lambda: application(spec)))


def demo_factory(global_conf: Mapping[str, str], **settings: str) -> Application:
    """Return the packaged demo: `use = egg:wiverno#demo` in [app:...]."""
    return app_factory(global_conf, "wiverno.demo:create_app", "true", **settings)


def app_from(path: str | Path, app_name: str = "main", **variables: str) -> Application:
    """Return the application that a configuration file names, with its middleware, for another server to serve.

    For example `gunicorn "wiverno.paste:app_from('production.toml')"`, or `application = app_from(...)` in a
    .wsgi file.

    Raises:
        ConfigError: the file, or what it names, is not usable.
    """
    loaded = load(path, app_name=app_name, variables=variables, hand_over=True)
    activate(loaded)
    return application_of(loaded, variables)


# From a configuration to an application


def application_of(loaded: LoadedConfig, variables: Mapping[str, str] | None = None) -> Application:
    """Return the application that a loaded configuration names, inside of its middleware.

    Raises:
        ConfigError: none is named, or it is not there, or it is not callable.
    """
    if loaded.app is None:
        where = Origin("file", str(loaded.path)) if loaded.path else Origin("keyword")
        hint = 'name one there: [app] use = "module:attribute"' if loaded.path else None
        raise ConfigError([Problem("no application is named", where, "app", hint=hint)])
    with utf8_files(loaded.texts):
        made = application(loaded.app, _global_conf(loaded, variables))
        for spec in reversed(loaded.middleware):
            made = middleware(spec, made, _global_conf(loaded, variables))
    return made


def application(spec: AppSpec, global_conf: Mapping[str, str] | None = None) -> Application:
    """Import, and if it is a factory make, one application.

    Raises:
        ConfigError: it is not there, or not callable, or its settings do not fit. Exceptions of its own code pass
            through.
    """
    if spec.use.startswith(PASTE_SCHEMES):
        return checked(_by_paste("APP", spec, global_conf or {}), spec.use, spec.origin, "returned ")
    found = _imported(spec)
    if spec.factory:
        _must_take(found, spec, ())
        return checked(found(**spec.settings), spec.use, spec.origin, "returned ")
    if spec.settings:
        raise ConfigError([Problem(
            f"{spec.use} is given settings, but it is used as the application itself", spec.origin, "app",
            hint="factory = true calls it with them",
        )])  # fmt: skip
    return checked(found, spec.use, spec.origin)


def middleware(spec: AppSpec, inner: Application, global_conf: Mapping[str, str] | None = None) -> Application:
    """Return `inner` wrapped by one middleware: `Class(inner, **settings)`, or a Paste filter.

    Raises:
        ConfigError: see `application`.
    """
    if spec.use.startswith(PASTE_SCHEMES):
        return checked(_by_paste("FILTER", spec, global_conf or {})(inner), spec.use, spec.origin, "returned ")
    found = _imported(spec)
    _must_take(found, spec, (inner,))
    return checked(found(inner, **spec.settings), spec.use, spec.origin, "returned ")


def checked(found: object, name: str, origin: Origin, verb: str = "is ") -> Application:
    """Return `found` if it can be a WSGI application.

    Raises:
        ConfigError: it cannot, and the message says what it is.
    """
    hint = None
    if found is None:
        problem = f"{name} {verb}None, not a WSGI application"
        hint = "a factory has to end with: return app" if verb != "is " else None
    elif not callable(found):
        problem = f"{name} {verb}a {type(found).__name__}, which is not callable and so no WSGI application"
    elif verb == "is " and _misfit(found, (None, None), {}):
        problem = f"{name} cannot be called with (environ, start_response)"
        hint = "if it makes the application, say so: factory = true, or --factory"
    else:
        return found
    raise ConfigError([Problem(problem, origin, "app", hint=hint)])


def _imported(spec: AppSpec) -> Any:
    try:
        return load_object(spec.use)
    except ImportTargetError as error:
        raise ConfigError([Problem(str(error), spec.origin, "app")]) from error


def _misfit(target: Callable[..., Any], positional: tuple[object, ...], named: Mapping[str, Any]) -> str | None:
    """Return what is wrong with such a call, or None; what has no signature is believed."""
    try:
        inspect.signature(target).bind(*positional, **named)
    except ValueError:
        return None
    except TypeError as error:
        return str(error)
    return None


def _must_take(target: object, spec: AppSpec, positional: tuple[object, ...]) -> None:
    if not callable(target):
        checked(target, spec.use, spec.origin)
    elif reason := _misfit(target, positional, spec.settings):
        raise ConfigError([Problem(f"{spec.use} does not take its settings: {reason}", spec.origin, "app")])


def _by_paste(kind: str, spec: AppSpec, global_conf: Mapping[str, str]) -> Any:
    """Do what PasteDeploy does with an expression; its factories get the settings with dotted names, native values.

    Args:
        kind: PasteDeploy's name for what is made: APP, FILTER or SERVER.
        spec: the expression and the settings.
        global_conf: what PasteDeploy calls so.
    """
    settings = dotted(spec.settings)
    if spec.use.startswith("call:"):
        factory = _imported(AppSpec(spec.use.removeprefix("call:"), origin=spec.origin))
        _must_take(factory, AppSpec(spec.use, settings=settings, origin=spec.origin), (global_conf,))
        return factory(dict(global_conf), **settings)
    from importlib.metadata import PackageNotFoundError

    from paste.deploy import loadwsgi

    kind_of, here = getattr(loadwsgi, kind), global_conf.get("here", ".")
    try:
        with utf8_files():
            context = loadwsgi.loadcontext(kind_of, spec.use, relative_to=here, global_conf=dict(global_conf))
    except PackageNotFoundError as error:
        raise ConfigError([Problem(f"{spec.use}: {error.name} is not installed", spec.origin, "use")]) from error
    except (LookupError, ImportError, AttributeError) as error:
        if not isinstance(error, LookupError) and not _is_of_paste(error):
            raise
        raise ConfigError([Problem(" ".join(str(error).split()), spec.origin, "use")]) from error
    context.local_conf.update(settings)
    with utf8_files():  # composite applications load the others only now
        return context.create()


def _is_of_paste(error: BaseException) -> bool:
    """Tell whether PasteDeploy looked for a name in vain, and not the application's own code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    return Path(frames[-1].filename).parts[-3:] == ("paste", "deploy", "util.py")


def _global_conf(loaded: LoadedConfig, variables: Mapping[str, str] | None) -> dict[str, str]:
    path = loaded.path.resolve() if loaded.path else None
    own = {"__file__": str(path), "here": str(path.parent)} if path else {}
    return own | dict(variables or {})


# Running, with pserve around


def _section_runner(global_conf: Mapping[str, str], keys: Mapping[str, str], mode: str | None = None) -> Runner:
    prepare_streams()
    loaded = _or_exit(lambda: load_section(global_conf, keys, mode=mode))
    return _runner(loaded, section_reader(global_conf, keys, mode=mode) if loaded.adjustments.workers else None)


def server_of(
    loaded: LoadedConfig, variables: Mapping[str, str] | None = None, reread: Callable[[], LoadedConfig] | None = None
) -> Runner:
    """Return the server that a configuration asks for: this one, or another whose table is handed over as it stands.

    Args:
        loaded: the configuration.
        variables: pserve's arguments.
        reread: loads the configuration as it is in the file then, for a reload.

    Raises:
        ConfigError: the other server is not installed.
    """
    if loaded.is_own_server:
        return _runner(loaded, reread)
    origin = Origin("file", str(loaded.path))
    spec = AppSpec(str(loaded.server_use), True, loaded.server_settings, origin)
    server: Runner = _by_paste("SERVER", spec, _global_conf(loaded, variables))
    return server


def _runner(loaded: LoadedConfig, reread: Callable[[], LoadedConfig] | None = None) -> Runner:
    """Return what PasteDeploy calls a server: a function that serves an application until it ends."""
    if not inherited_worker():
        for warning in loaded.warnings:
            say(f"warning: {warning}")
        # Both before the application is imported: it may change the environment, and decides how metrics are kept.
        with suppress(OSError):  # said again when the server starts
            _or_exit(lambda: prepared_metrics(loaded.adjustments))
    this_program()
    directory = directory_name()
    again = Rereading(loaded, reread) if reread else None

    def renewed() -> Adjustments:
        assert again is not None
        fresh = again()
        if not fresh.is_own_server:
            where = Origin("file", str(fresh.path))
            raise ConfigError([Problem("is another server, which only a restart can begin", where, "use")])
        return fresh.adjustments

    def run(app: Application) -> int:
        activate(loaded)
        try:
            with ends_with_pserve() as end, started_in(directory):  # the application may have changed the directory
                end.by = run_server(app, loaded.adjustments, renewed if again else None)
        except OSError as error:
            exit_with_error(explain_bind_error(error, loaded.adjustments))
        except StartFailedError as error:
            exit_with_error(str(error))
        return 0

    return run


def _or_exit(action: Callable[[], Result]) -> Result:
    """Do `action`; a configuration error is printed and ends the process with status 2.

    pserve calls factories outside of its `except SystemExit`, so the status arrives.
    """
    try:
        return action()
    except ConfigError as error:
        if hiring := inherited_worker():
            hiring.failed(str(error))
        else:
            say(str(error))
        raise SystemExit(2) from None


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
        watched = [*_lines(loaded.pserve.get("watch_files", ())), *(str(file.resolve()) for file in loaded.files)]
        return {**loaded.pserve, "watch_files": list(dict.fromkeys(watched))}

    def setup_logging(self, defaults: Mapping[str, str] | None = None) -> None:
        """Set logging up as the table [logging] says; without it as plain as possible."""
        set_up_logging(self._load(defaults))

    def get_wsgi_app(self, name: str | None = None, defaults: Mapping[str, str] | None = None) -> Application:
        """Return the application [app], or ["app:NAME"], with its middleware."""
        app_name = name or self._fragment("app")
        loaded = self._load(defaults, app_name=app_name)
        use = loaded.app.use if loaded.app else ""
        return _or_exit(lambda: load_named(use, lambda: application_of(loaded, defaults)))

    def get_wsgi_app_settings(
        self, name: str | None = None, defaults: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the settings of an application, with dotted names."""
        app = self._load(defaults, app_name=name or self._fragment("app")).app
        return dotted(app.settings) if app else {}

    def get_wsgi_filter(self, name: str | None = None, defaults: Mapping[str, str] | None = None) -> NoReturn:
        """Refuse: middleware stands in [[middleware]] and has no name."""
        message = f"{self.uri.path} has no filter {name!r}: middleware stands in [[middleware]], without names"
        raise LookupError(message)

    def get_wsgi_server(self, name: str | None = None, defaults: Mapping[str, str] | None = None) -> Runner:
        """Return the server [server], or ["server:NAME"]; another server's table is handed over as it stands."""
        server_name = name or self._fragment("server")
        loaded = self._load(defaults, server_name=server_name)
        _or_exit(lambda: require_server(self._file(), server_name))
        reread = lambda: self._read(defaults, server_name=server_name)  # noqa: E731
        return _or_exit(lambda: server_of(loaded, defaults, reread))

    def _file(self) -> TomlFile:
        return _or_exit(lambda: read_toml(self.uri.path))

    def _load(
        self, defaults: Mapping[str, str] | None = None, *, app_name: str = "main", server_name: str = "main"
    ) -> LoadedConfig:
        return _or_exit(lambda: self._read(defaults, app_name=app_name, server_name=server_name))

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


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from filter(None, (line.strip() for line in value.splitlines()))
    elif isinstance(value, list | tuple):
        yield from map(str, value)
