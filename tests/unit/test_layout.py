"""The rooms of the package and which room may import which, checked against the table in docs/architecture.md.

    python -m tests.unit.test_layout      print floors, the largest files, the import graph of the rooms, and circles

A module imports rooms of lower floors and modules of its own room; so each room can be understood, tested and replaced
with the rooms below it. Imports inside functions and for type checkers count.
"""

import ast
import dataclasses
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.layout import (
    MODULES,
    PACKAGE,
    TABLE,
    Layout,
    find_circles,
    name_of,
    nodes_for_type_checkers,
    nodes_of,
    own_imports,
    parse,
    read_floors,
    read_imports,
    read_layout,
)

ONLY_IN = {
    "socket": {"core", "workers", "admin", "dev"},
    "select": {"core", "workers", "dev"},
    "selectors": {"core", "workers", "dev"},
    "ssl": {"core", "workers"},
    "threading": {"core", "foreign_code", "tables", "workers", "dev"},
    "pydantic": {"web"},  # loaded when a handler's annotation needs it
    "click": {"cli"},
    "watchfiles": {"dev"},
    "tomli_w": {"config"},
}
"""Modules that only these parts of the package may use; imports for type checkers alone are free."""

FILE_LINES = 400
TABLE_LINES = 500
FUNCTION_LINES = 50

TABLES = {
    "config/settings": "declares the settings",
    "config/operations": "declares the settings for operators",
    "cli/manifests": "holds the templates of the generated files",
}
"""Files of declarations, with the reason why one long file reads better than two."""

KNOWN_WRONG: set[tuple[str, str]] = set()
"""Imports of higher floors that are still to be removed. This list may only become shorter."""

PLANNED: set[str] = set()
"""Rooms of the table that no module belongs to yet."""


def path_of(name: str) -> Path:
    """Return the file of a module's path in the package."""
    return PACKAGE / f"{name}.py"


def test_every_module_has_a_room() -> None:
    """A module belongs to a room of the table; only an empty `__init__.py` may stand outside of it."""
    layout = read_layout()
    outside = [path for path in MODULES if layout.room_of(name_of(path)) is None]
    assert not [str(path) for path in outside if path.name != "__init__.py" or read_imports(path)], "give it a floor"
    empty = set(layout.floors) - {layout.room_of(name_of(path)) for path in MODULES}
    assert empty == PLANNED, f"no module belongs to the room {', '.join(sorted(empty ^ PLANNED))}"


def test_every_folder_is_a_package() -> None:
    """One without `__init__.py` is missing from zip files that have no entries for folders and frozen programs."""
    folders = {path.parent for path in MODULES}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").is_file()]


def test_floors() -> None:
    """A module imports lower floors or its own room, and `core` knows the settings alone of `config`."""
    layout = read_layout()
    every = [found for path in MODULES for found in own_imports(path)]
    wrong = [found for found in every if layout.is_upward(found)]
    wrong += [
        found
        for found in every
        if found.source.startswith("core/")
        and found.target.startswith("config")
        and layout.room_of(found.target) != "config/settings"
    ]
    unknown = [str(found) for found in wrong if (found.source, found.target) not in KNOWN_WRONG]
    assert not unknown, "\n".join(unknown)
    mended = KNOWN_WRONG - {(found.source, found.target) for found in wrong}
    assert not mended, f"these imports are gone: remove them from KNOWN_WRONG: {sorted(mended)}"


def test_no_circle_of_rooms() -> None:
    """No room imports itself by way of others, for type checkers either; KNOWN_WRONG aside."""
    layout = read_layout()
    graph: dict[str, set[str]] = {room: set() for room in layout.floors}
    for path in MODULES:
        for found in own_imports(path):
            source, target = layout.room_of(found.source), layout.room_of(found.target)
            if source and target and source != target and (found.source, found.target) not in KNOWN_WRONG:
                graph[source].add(target)
    assert find_circles(graph) == []


def test_no_circle_of_modules() -> None:
    """The modules of the package have an order in which they can be imported and understood, for type checkers too."""
    graph = {
        name_of(path): {found.target for found in own_imports(path)} - {name_of(path)}
        for path in MODULES
        if path != PACKAGE / "__init__.py"
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


def test_restricted_modules() -> None:
    """Sockets, threads and the like stay in the parts that own them."""
    wrong = [
        f"wiverno/{name_of(path)}.py:{line} imports {name}"
        for path in MODULES
        for line, name in read_imports(path, at_run_time=True)
        if (part := name_of(path).split("/")[0]) not in ONLY_IN.get(name.split(".")[0], {part})
    ]
    assert not wrong, "\n".join(wrong)


def test_environment() -> None:
    """Only config/environment.py reads the process's environment."""
    names = {"environ", "environb", "getenv", "getenvb"}
    wrong = [
        f"wiverno/{name_of(path)}.py:{node.lineno}"
        for path in MODULES
        if name_of(path) != "config/environment"
        for node in nodes_of(path)
        if (isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os")
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and any(name.name in names for name in node.names))
    ]
    assert not wrong, f"os.environ belongs to config/environment.py: {', '.join(wrong)}"


def test_logging() -> None:
    """Modules log through guarded loggers: a filter of the program that raises must not end the thread that logs."""
    wrong = [
        f"wiverno/{name_of(path)}.py:{statement.lineno}"
        for path in MODULES
        for statement in parse(path).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.value).startswith("logging.getLogger(")
    ]
    assert not wrong, f"use guarded_logger: {', '.join(wrong)}"


def count_lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def test_file_sizes() -> None:
    """A file has at most 400 lines, a file of declarations 500."""
    assert all(path_of(name).is_file() for name in TABLES)
    limits = {path: TABLE_LINES if name_of(path) in TABLES else FILE_LINES for path in MODULES}
    long = [
        f"wiverno/{name_of(path)}.py has {count_lines(path)} lines"
        for path in MODULES
        if count_lines(path) > limits[path]
    ]
    assert not long, "\n".join(long)


def test_function_sizes() -> None:
    """A function, without its docstring, has at most 50 lines."""
    long = []
    for path in MODULES:
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                is_documented = ast.get_docstring(node, clean=False) is not None
                words = (first.end_lineno or 0) - first.lineno + 1 if is_documented else 0
                lines = (node.end_lineno or node.lineno) - node.lineno + 1 - words
                if lines > FUNCTION_LINES:
                    long.append(f"wiverno/{name_of(path)}.py:{node.lineno}: {node.name} has {lines} lines")
    assert not long, "\n".join(long)


def test_docstrings() -> None:
    """The docstring of every module says which idea lives in it."""
    missing = [name_of(path) for path in MODULES if not ast.get_docstring(parse(path))]
    assert not missing, f"without a docstring: {', '.join(missing)}"


def test_reading_of_the_table() -> None:
    """The longest name of the table wins; an import on the same floor is an upward import."""
    page = "\n| floor | rooms | what they know |\n|---|---|---|\n| 1 | `a`, `a/b` | x |\n| 2 | `c` | y |\n\n| 9 | `d` |"
    layout = Layout(read_floors(page))
    assert layout.floors == {"a": 1, "a/b": 1, "c": 2}
    assert [layout.room_of(name) for name in ("a/x", "a/b", "a/b/x", "ab", "c")] == ["a", "a/b", "a/b", None, "c"]
    with pytest.raises(ValueError, match="the room a stands twice"):
        read_floors(page.replace("`c`", "`a`"))
    with pytest.raises(ValueError, match="no table begins"):
        read_floors("| floor |")


def test_the_page_names_files_that_exist() -> None:
    """Each file that docs/architecture.md names is there, in the package or in the repository."""
    text = TABLE.read_text(encoding="utf-8")
    names = re.findall(r"`([\w/]+\.(?:py|md|toml))`", text)
    assert names
    assert not [name for name in names if not any((root / name).exists() for root in (PACKAGE, PACKAGE.parent))]


def test_circles_are_found() -> None:
    """Each group of rooms that reach one another is found once."""
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert find_circles(graph) == [["d", "e"], ["a", "b", "c"]]
    assert find_circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_contributing_points_to_the_table() -> None:
    """CONTRIBUTING.md does not repeat the floors; it says where they are written."""
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "(docs/architecture.md#rooms-and-floors)" in text
    assert "| floor |" not in text
    assert "\n## Rooms and floors\n" in (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")


# `paste.deploy`, not `paste`: PasteDeploy's .pth file puts the empty namespace into every process.
@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import wiverno", "wiverno.core wiverno.web wiverno.config click pydantic paste.deploy watchfiles"),
        ("import wiverno.serving", "wiverno.web wiverno.main wiverno.cli click watchfiles paste.deploy werkzeug"),
        # What only some starts need would delay each of them.
        ("import wiverno.cli.run", "pydantic _hashlib decimal difflib tempfile configparser tomllib email werkzeug"),
        ("import wiverno.cli.run", "importlib.metadata logging.config wiverno.workers.supervisor wiverno.redaction"),
        ("import wiverno.cli.run", "wiverno.admin.application wiverno.workers.worker ssl"),
        ("import wiverno.cli.run", "http json shlex pkgutil wiverno.workers.hooks wiverno.wsgi.forwarded"),
        ("import wiverno.cli.run", "wiverno.core.telemetry.access_log wiverno.core.net.proxy_protocol"),
        ("import wiverno.main", "wiverno.core wiverno.dev wiverno.config pydantic click paste.deploy"),
        ("import wiverno.paste", "plaster pyramid click watchfiles wiverno.web"),
        ("import wiverno.applications", "pydantic wiverno.core wiverno.web wiverno.cli plaster click watchfiles"),
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
    guarded = nodes_for_type_checkers(tree)
    seen = {alias.asname for node in guarded if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(wiverno.__all__) == set(wiverno._ROOMS) == seen
    assert set(wiverno.__all__) <= set(dir(wiverno))
    for name in wiverno.__all__:
        assert name in ("FromForm", "FromQuery") or getattr(wiverno, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = wiverno.nothing


def test_everything_of_the_interface_page_is_public() -> None:
    """Each name of docs/api.md can be imported from the package; the page lists every public name."""
    import wiverno

    page = (PACKAGE.parent / "docs" / "api.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^\.\. auto\w+:: wiverno\.(\S+)$", page, re.MULTILINE))
    assert shown == set(wiverno.__all__)


def attributes_of(owner: str, *, without: frozenset[str] = frozenset()) -> set[str]:
    """The attributes that modules outside of config/ read from what `owner`, a pattern, matches."""
    return {
        node.attr
        for path in MODULES
        if not name_of(path).startswith("config/") and path.name not in without
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and re.search(owner, ast.unparse(node.value))
    }


def test_every_setting_is_read() -> None:
    """A setting that steers something is read from the settings, by code outside of config/; the others say so."""
    from wiverno.config.settings import SETTINGS

    read = attributes_of(r"(^|[._])(settings|adjustments|adj)$")
    through_others = {"listen", "unix_socket", "host", "port", "redirect_listen", "env_file"}  # addresses, and env
    unread = {name for name, setting in SETTINGS.items() if not setting.inert} - read - through_others
    assert not unread, f"no code reads {', '.join(sorted(unread))}"
    for name, setting in SETTINGS.items():
        assert setting.inert == ("does nothing" in setting.meaning), name
        assert not (setting.inert and name in read), f"{name} is read, but is said to do nothing"


def test_every_value_of_a_service_is_used() -> None:
    """What is copied from the settings for connections is read there: a setting may not end half-way."""
    from wiverno.core.context import ServerContext

    read = attributes_of(r"(^|[._])context$", without=frozenset(("context.py",)))
    assert {field.name for field in dataclasses.fields(ServerContext)} <= read


def print_layout() -> None:
    """Print what this module checks."""
    layout = read_layout()
    graph = layout.room_graph()
    modules = {room: [path for path in MODULES if layout.room_of(name_of(path)) == room] for room in layout.floors}
    print("floor  room                     files  lines  imports")
    for room, floor in sorted(layout.floors.items(), key=lambda item: item[1]):
        lines = sum(count_lines(path) for path in modules[room])
        print(f"{floor:5}  {room:23}  {len(modules[room]):5}  {lines:5}  {' '.join(sorted(graph[room])) or '-'}")
    print("\nlargest files")
    for path in sorted(MODULES, key=count_lines, reverse=True)[:10]:
        print(f"{count_lines(path):5}  wiverno/{name_of(path)}.py")
    circles = find_circles(graph)
    print(f"\nimports of higher floors: {len(KNOWN_WRONG)}\ncircles: {len(circles)}")
    for circle in circles:
        print(f"  {' '.join(circle)}")


if __name__ == "__main__":
    print_layout()
