"""Turn ``"module:attribute.path"`` into the object it names.

Two kinds of mistakes are kept apart. A target that names nothing is a typing error and becomes an ``ImportTargetError``
of one line that says what is there instead. An exception raised *inside* the imported module is the application's and
passes through with its traceback. `own_traceback` shows such an exception without the frames of the import machinery.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType

FACTORIES = ("create_app", "make_app", "build_app", "app_factory")
USUAL_NAMES = ("app", "application", "wsgi_app", *FACTORIES)


class ImportTargetError(Exception):
    """A target that names no object; ``str(error)`` is one line for a terminal."""


def load_object(target: str) -> object:
    """Import and return what ``target`` names.

    Args:
        target: ``"package.module:attribute"``; the attribute may be dotted (``"shop.app:factory.default"``).

    Raises:
        ImportTargetError: the target is misspelt, or the module or attribute does not exist.
    """
    require_spelling(target)
    module_name, _, attribute_path = target.partition(":")
    module = _import_module(module_name, target)
    found: object = module
    walked = module_name
    for attribute in attribute_path.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError as error:
            if not _is_plainly_missing(found, attribute):
                raise
            raise ImportTargetError(_missing_attribute(target, found, walked, attribute)) from error
        walked = f"{walked}.{attribute}"
    return found


def require_spelling(target: str) -> None:
    """Raise ImportTargetError for a target that cannot name an object, before anything is imported."""
    module_name, _, attribute_path = target.partition(":")
    if not attribute_path and module_name.endswith(".py"):
        guess = module_name[:-3].replace("/", ".").strip(".")
        raise ImportTargetError(f"{module_name!r} is a file name; write the module and the object, like '{guess}:app'")
    if not module_name or not attribute_path:
        module, _, name = module_name.rpartition(".")
        is_with_dot = bool(module) and name in USUAL_NAMES  # shop.app, as other tools write it
        guess = f"{module}:{name}" if is_with_dot else f"{module_name or 'module'}:app"
        raise ImportTargetError(f"{target!r} names no object; write 'module:attribute', like '{guess}'")
    if "/" in module_name or module_name.endswith(".py"):
        guess = module_name.removesuffix(".py").replace("/", ".").strip(".")
        hint = f"write the module's name, like '{guess}:{attribute_path}'"
        raise ImportTargetError(f"{target!r}: {module_name!r} is a path; {hint}")
    function, parenthesis, _ = attribute_path.partition("(")
    if parenthesis:
        hint = f"name the function, '{module_name}:{function}', and say that it makes the application"
        raise ImportTargetError(f"{target!r} is a call; {hint}: factory = true, or --factory")
    for part in (*module_name.split("."), *attribute_path.split(".")):
        if not part.isidentifier():
            raise ImportTargetError(f"{target!r}: {part!r} is not a Python name; write 'module:attribute'")


def _import_module(name: str, target: str) -> ModuleType:
    """Import ``name``; only its own absence (or a parent package's) is a mistake in the target."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        # A failing import statement inside the module names another module: a bug of the application.
        if missing != name and not name.startswith(missing + "."):
            raise
        raise ImportTargetError(_missing_module(target, missing)) from error


def _missing_module(target: str, missing: str) -> str:
    parent, _, last = missing.rpartition(".")
    if parent:
        package = sys.modules.get(parent)
        paths = list(getattr(package, "__path__", ()))
        if package is not None and not paths:
            return f"{target!r}: no module {missing!r}: {parent!r} is a module, not a package"
        where = f"package {parent!r}"
    else:
        paths = sys.path
        where = "the current directory and sys.path"
    import pkgutil  # only mistakes need it

    close = _close(last, [info.name for info in pkgutil.iter_modules(paths)])
    prefix = f"{parent}." if parent else ""
    hint = f"; did you mean {prefix + close!r}?" if close else f"; looked in {where}"
    return f"{target!r}: there is no module {missing!r}{hint}"


def _missing_attribute(target: str, owner: object, walked: str, attribute: str) -> str:
    kind = "module" if isinstance(owner, ModuleType) else "object"
    names = [name for name in dir(owner) if not name.startswith("_")]
    close = _close(attribute, names)
    if close:
        return f"{target!r}: {kind} {walked!r} has no attribute {attribute!r}; did you mean {close!r}?"
    if isinstance(owner, ModuleType):
        if importlib.util.find_spec(f"{walked}.{attribute}") if hasattr(owner, "__path__") else None:
            return f"{target!r}: {walked + '.' + attribute!r} is a module; write '{walked}.{attribute}:attribute'"
        own = [name for name in names if _is_defined_here(owner, name)]
        there = ", ".join(own[:8]) + (", …" if len(own) > 8 else "") if own else "nothing callable"
        factory = next((name for name in FACTORIES if name in own), None)
        hint = f" (if {factory} makes the application: {walked}:{factory} with --factory)" if factory else ""
        return f"{target!r}: module {walked!r} has no attribute {attribute!r}; it defines {there}{hint}"
    return f"{target!r}: {kind} {walked!r} ({type(owner).__name__}) has no attribute {attribute!r}"


def _is_defined_here(module: ModuleType, name: str) -> bool:
    value = inspect.getattr_static(module, name, None)
    if inspect.isclass(value) or inspect.isroutine(value):
        return value.__module__ == module.__name__
    return callable(value)


def _is_plainly_missing(owner: object, attribute: str) -> bool:
    """Return whether an attribute is absent, not a property or ``__getattr__`` whose code has failed."""
    try:
        inspect.getattr_static(owner, attribute)
    except AttributeError:
        return True
    return False


def _close(word: str, names: list[str]) -> str | None:
    try:
        import difflib  # only mistakes need it
    except ImportError:  # a worker's user may not be allowed to read it
        return None
    matches = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return matches[0] if matches else None


def own_traceback(error: BaseException) -> str:
    """Return an exception with its traceback, from the application's first line on.

    The frames above it belong to the server, PasteDeploy and the import machinery.
    """
    shown = traceback.TracebackException.from_exception(error)
    waiting = [shown]
    while waiting:
        one = waiting.pop()
        first = next((place for place, frame in enumerate(one.stack) if not _is_of_loading(frame.filename)), 0)
        if not first and one.stack and one.stack[-1].filename.startswith(_IMPORTING):
            first = len(one.stack)  # a module that can't be compiled
        one.stack[:] = [frame for frame in one.stack[first:] if not frame.filename.startswith(_IMPORTING)]
        waiting += [other for other in (one.__cause__, one.__context__, *(one.exceptions or ())) if other is not None]
    return "".join(shown.format()).rstrip()


_IMPORTING = ("<frozen importlib", importlib.__file__ or "<frozen importlib")
_PACKAGE = str(Path(__file__).parent)


def _is_of_loading(file: str) -> bool:
    return file.startswith((_PACKAGE, *_IMPORTING)) or Path(file).parts[-3:-1] == ("paste", "deploy")
