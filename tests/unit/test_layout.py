"""The rooms of the package and who may import whom (the floors), read from the imports themselves.

A room is the first name below `wiverno`. A module imports rooms of lower floors and files of its own room; so each room
can be understood, tested and replaced with what stands below it. Imports inside functions and for type checkers count.
"""

import ast
import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "wiverno"

FLOORS = (
    {"addresses", "files", "foreign_code", "redaction", "standard_streams"},
    {"http", "config", "importer"},
    {"wsgi", "web"},
    {"http2"},
    {"core", "main"},
    {"workers", "admin"},
    {"serving", "server"},
    {"paste", "dev", "demo"},
    {"cli"},
    {"__init__", "__main__"},
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

ONLY_IN = {
    "socket": {"core", "workers", "admin", "dev"},
    "select": {"core", "workers", "dev"},
    "selectors": {"core", "workers", "dev"},
    "ssl": {"core", "workers"},
    "threading": {"core", "foreign_code", "workers", "dev"},
    "pydantic": {"config"},
    "click": {"cli"},
    "watchfiles": {"dev"},
    "tomli_w": {"config"},
}
"""Modules that only these rooms may use; imports for type checkers alone are free."""

FILE_LINES = 400
FUNCTION_LINES = 50

MODULES = sorted(PACKAGE.rglob("*.py"))
each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def for_type_checkers(tree: ast.Module) -> set[ast.AST]:
    """Every node below an `if TYPE_CHECKING:`."""
    guarded = (node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    return {inner for node in guarded for statement in node.body for inner in ast.walk(statement)}


def imports(tree: ast.Module, path: Path, *, at_run_time: bool = False) -> Iterator[tuple[int, str]]:
    """Give (line, full module name) of every import; `from a import b` gives a.b where that is a module of ours."""
    skipped = for_type_checkers(tree) if at_run_time else set()
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                inner = PACKAGE.parent.joinpath(*base.split("."), alias.name)
                is_module = inner.with_suffix(".py").exists() or (inner / "__init__.py").exists()
                yield node.lineno, f"{base}.{alias.name}" if is_module else base


@each_module
def test_floors(path: Path) -> None:
    """A module imports lower floors or its own room, and never `wiverno` itself."""
    room = room_of(path)
    assert room in FLOOR_OF, f"{room}: a new room; give it a floor in FLOORS"
    if room == "__init__":
        return  # it names every room, lazily
    wrong = []
    for line, name in imports(parse(path), path):
        if name.split(".")[0] != "wiverno":
            continue
        other = name.split(".")[1] if "." in name else "__init__"
        lower = FLOOR_OF.get(other, 99) < FLOOR_OF[room]
        if not (other == room or lower):
            wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {name}")
        if room == "core" and other == "config" and name != "wiverno.config.settings":
            wrong.append(f"{path.relative_to(PACKAGE)}:{line}: core takes of config only config.settings, not {name}")
    assert not wrong, "\n".join(wrong)


@each_module
def test_restricted_modules(path: Path) -> None:
    """Sockets, threads, pydantic and the like stay in the rooms that own them."""
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line} imports {name}"
        for line, name in imports(parse(path), path, at_run_time=True)
        if room_of(path) not in ONLY_IN.get(name.split(".")[0], {room_of(path)})
    ]
    assert not wrong, "\n".join(wrong)


@each_module
def test_environment(path: Path) -> None:
    """Only config/environment.py reads the process's environment."""
    if path == PACKAGE / "config" / "environment.py":
        return
    names = {"environ", "environb", "getenv", "getenvb"}
    wrong = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for node in ast.walk(parse(path))
        if (isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os")
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and any(name.name in names for name in node.names))
    ]
    assert not wrong, f"os.environ belongs to config/environment.py: {', '.join(wrong)}"


@each_module
def test_logging(path: Path) -> None:
    """Modules log through guarded loggers: a filter of the program that raises must not end the thread that logs."""
    wrong = [
        f"{path.relative_to(PACKAGE)}:{statement.lineno}"
        for statement in parse(path).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.value).startswith("logging.getLogger(")
    ]
    assert not wrong, f"use guarded_logger: {', '.join(wrong)}"


@each_module
def test_sizes(path: Path) -> None:
    """A file stays below 400 lines and a function, without its docstring, below 50."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= FILE_LINES, f"{path.relative_to(PACKAGE)} has {text.count(chr(10))} lines"
    long = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            is_documented = ast.get_docstring(node, clean=False) is not None and first.end_lineno is not None
            words = (first.end_lineno or 0) - first.lineno + 1 if is_documented else 0
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - words
            if lines > FUNCTION_LINES:
                long.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.name} has {lines} lines")
    assert not long, "\n".join(long)


@each_module
def test_docstring(path: Path) -> None:
    """Every module tells the idea that lives in it."""
    assert ast.get_docstring(parse(path)), f"{path.relative_to(PACKAGE)} has no docstring"


def test_no_cycles() -> None:
    """The files of the package have an order in which they can be imported."""
    names = {module_name(path): path for path in MODULES}
    graph = {
        name: {other for _, other in imports(parse(path), path, at_run_time=True) if other in names and other != name}
        for name, path in names.items()
        if name != "wiverno.__init__"
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


# `paste.deploy`, not `paste`: PasteDeploy's .pth file puts the empty namespace into every process.
@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import wiverno", "wiverno.core wiverno.web wiverno.config click pydantic paste.deploy watchfiles"),
        ("import wiverno.serving", "wiverno.web wiverno.main wiverno.cli click watchfiles paste.deploy werkzeug"),
        ("import wiverno.main", "wiverno.core wiverno.config pydantic click paste.deploy"),
        ("import wiverno.paste", "plaster pyramid click watchfiles wiverno.web"),
    ],
)
def test_light_imports(statement: str, absent: str) -> None:
    """Each door loads only what stands behind it."""
    code = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not set(absent.split()) & set(done.stdout.split()), statement


def test_public_names() -> None:
    """The names of the package, its table of rooms and what the type checker sees are the same list."""
    import wiverno

    tree = parse(PACKAGE / "__init__.py")
    guarded = for_type_checkers(tree)
    seen = {alias.asname for node in guarded if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(wiverno.__all__) == set(wiverno._ROOMS) == seen
    assert set(wiverno.__all__) <= set(dir(wiverno))
    for name in wiverno.__all__:
        assert getattr(wiverno, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = wiverno.nothing


def attributes_of(owner: str, *, without: frozenset[str] = frozenset()) -> set[str]:
    """The attributes that modules outside of config/ read from what `owner`, a pattern, matches."""
    return {
        node.attr
        for path in MODULES
        if room_of(path) != "config" and path.name not in without
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and re.search(owner, ast.unparse(node.value))
    }


def test_every_setting_is_read() -> None:
    """A setting that steers something is read from the settings, by code outside of config/; the others say so."""
    from wiverno.config.settings import SETTINGS

    read = attributes_of(r"(^|[._])(settings|adjustments|adj)$")
    through_addresses = {"listen", "unix_socket", "host", "port"}
    unread = {name for name, setting in SETTINGS.items() if not setting.inert} - read - through_addresses
    assert not unread, f"no code reads {', '.join(sorted(unread))}"
    for name, setting in SETTINGS.items():
        assert setting.inert == ("does nothing" in setting.meaning), name
        assert not (setting.inert and name in read), f"{name} is read, but is said to do nothing"


def test_every_value_of_a_service_is_used() -> None:
    """What is copied from the settings for connections is read there: a setting may not end half-way."""
    from wiverno.core.context import ServerContext

    read = attributes_of(r"(^|[._])context$", without=frozenset(("context.py",)))
    assert {field.name for field in dataclasses.fields(ServerContext)} <= read
