"""From an application's name in a configuration (`AppSpec`) to the WSGI application, with its middleware.

A name is `module:attribute`, or one of PasteDeploy's expressions (egg:, call:, config:), which PasteDeploy itself
resolves. Every command and every entry point loads applications here.
"""

import inspect
import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.formats.document import flatten
from wiverno.config.formats.paste_loading import utf8_files
from wiverno.config.loader import AppSpec, LoadedConfig
from wiverno.importer import ImportTargetError, load_object
from wiverno.wsgi_types import Application

PASTE_SCHEMES = ("egg:", "call:", "config:")


def load_configured_application(loaded: LoadedConfig, variables: Mapping[str, str] | None = None) -> Application:
    """Return the application that a loaded configuration names, inside of its middleware.

    Raises:
        ConfigError: none is named, or it is not there, or it is not callable.
    """
    if loaded.app is None:
        where = Origin("file", str(loaded.path)) if loaded.path else Origin("keyword")
        hint = 'name one there: [app] use = "module:attribute"' if loaded.path else None
        raise ConfigError([Problem("no application is named", where, "app", hint=hint)])
    # PasteDeploy is imported only for what it loads: a worker's user may not be allowed to read it.
    uses_paste = any(spec.use.startswith(PASTE_SCHEMES) for spec in (loaded.app, *loaded.middleware))
    with utf8_files(loaded.texts) if uses_paste else nullcontext():
        application = load_application(loaded.app, paste_globals(loaded, variables))
        for spec in reversed(loaded.middleware):
            application = add_middleware(spec, application, paste_globals(loaded, variables))
    return application


def load_application(spec: AppSpec, global_conf: Mapping[str, str] | None = None) -> Application:
    """Import, and if it is a factory make, one application.

    Raises:
        ConfigError: it is not there, or not callable, or its settings do not fit. Exceptions of its own code pass
            through.
    """
    if spec.use.startswith(PASTE_SCHEMES):
        return check_callable(create_with_paste("APP", spec, global_conf or {}), spec.use, spec.origin, "returned ")
    found = _import_target(spec)
    if spec.factory:
        _check_arguments(found, spec, ())
        return check_callable(found(**spec.settings), spec.use, spec.origin, "returned ")
    if spec.settings:
        raise ConfigError([Problem(
            f"{spec.use} is given settings, but it is used as the application itself", spec.origin, "app",
            hint="factory = true calls it with them",
        )])  # fmt: skip
    return check_callable(found, spec.use, spec.origin)


def add_middleware(spec: AppSpec, inner: Application, global_conf: Mapping[str, str] | None = None) -> Application:
    """Return `inner` wrapped by one middleware: `Class(inner, **settings)`, or a Paste filter.

    Raises:
        ConfigError: see `load_application`.
    """
    if spec.use.startswith(PASTE_SCHEMES):
        create = create_with_paste("FILTER", spec, global_conf or {})
        return check_callable(create(inner), spec.use, spec.origin, "returned ")
    found = _import_target(spec)
    _check_arguments(found, spec, (inner,))
    return check_callable(found(inner, **spec.settings), spec.use, spec.origin, "returned ")


def check_callable(found: object, name: str, origin: Origin, verb: str = "is ") -> Application:
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
    elif verb == "is " and _find_misfit(found, (None, None), {}):
        problem = f"{name} cannot be called with (environ, start_response)"
        hint = "if it makes the application, say so: factory = true, or --factory"
    else:
        return found
    raise ConfigError([Problem(problem, origin, "app", hint=hint)])


def _import_target(spec: AppSpec) -> Any:
    try:
        return load_object(spec.use)
    except ImportTargetError as error:
        raise ConfigError([Problem(str(error), spec.origin, "app")]) from error


def _find_misfit(target: Callable[..., Any], positional: tuple[object, ...], named: Mapping[str, Any]) -> str | None:
    """Return what is wrong with such a call; None if nothing is, or the target has no signature."""
    try:
        inspect.signature(target).bind(*positional, **named)
    except ValueError:
        return None
    except TypeError as error:
        return str(error)
    return None


def _check_arguments(target: object, spec: AppSpec, positional: tuple[object, ...]) -> None:
    if not callable(target):
        check_callable(target, spec.use, spec.origin)
    elif reason := _find_misfit(target, positional, spec.settings):
        raise ConfigError([Problem(f"{spec.use} does not take its settings: {reason}", spec.origin, "app")])


def create_with_paste(kind: str, spec: AppSpec, global_conf: Mapping[str, str]) -> Any:
    """Create what a PasteDeploy expression names; its factories get the settings with dotted names and native values.

    Args:
        kind: PasteDeploy's name for what is made: APP, FILTER or SERVER.
        spec: the expression and the settings.
        global_conf: what PasteDeploy calls so.
    """
    settings = flatten(spec.settings)
    if spec.use.startswith("call:"):
        factory = _import_target(AppSpec(spec.use.removeprefix("call:"), origin=spec.origin))
        _check_arguments(factory, AppSpec(spec.use, settings=settings, origin=spec.origin), (global_conf,))
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
        if not isinstance(error, LookupError) and not _is_missing_for_paste(error):
            raise
        raise ConfigError([Problem(" ".join(str(error).split()), spec.origin, "use")]) from error
    context.local_conf.update(settings)
    with utf8_files():  # composite applications load the others only now
        return context.create()


def _is_missing_for_paste(error: BaseException) -> bool:
    """Return whether PasteDeploy did not find a name; else the application's own code raised the error."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    return Path(frames[-1].filename).parts[-3:] == ("paste", "deploy", "util.py")


def paste_globals(loaded: LoadedConfig, variables: Mapping[str, str] | None) -> dict[str, str]:
    """Return what PasteDeploy calls `global_conf`: the file, its directory, and pserve's variables."""
    path = loaded.path.resolve() if loaded.path else None
    own = {"__file__": str(path), "here": str(path.parent)} if path else {}
    return own | dict(variables or {})
