"""The package as its layout sees it: modules, rooms, floors and imports, read from the files themselves.

A room is a directory, or a single module, with one idea. Rooms and floors are written in one place, the table in
docs/architecture.md; `Layout` reads it. The longest name wins: `core/loop/poller.py` belongs to the room `core/loop`,
and `config/loader.py` to `config`, because no longer name of the table fits. Imports inside functions and those for
type checkers count.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "wiverno"
TABLE = ROOT / "docs" / "architecture.md"
TABLE_HEADING = "| floor | rooms | what they know |"

MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = frozenset(
    path.relative_to(PACKAGE.parent).with_suffix("").as_posix().removesuffix("/__init__") for path in MODULES
)


@dataclass(frozen=True, slots=True)
class Import:
    """One import of a module of ours by another, both written as paths in the package (`core/loop/poller`)."""

    source: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"wiverno/{self.source}.py:{self.line} imports {self.target}"


def read_floors(text: str) -> dict[str, int]:
    """Return the floor of each room in the table of a Markdown page.

    Raises:
        ValueError: there is no such table, or a room stands in it twice.
    """
    lines = text.splitlines()
    if TABLE_HEADING not in lines:
        raise ValueError(f"no table begins with {TABLE_HEADING!r}")
    floors: dict[str, int] = {}
    for line in lines[lines.index(TABLE_HEADING) + 2 :]:
        if not line.startswith("|"):
            break
        number, rooms, _ = (cell.strip() for cell in line.strip("|").split("|"))
        for room in re.findall(r"`([^`]+)`", rooms):
            if room in floors:
                raise ValueError(f"the room {room} stands twice in the table")
            floors[room] = int(number)
    return floors


def name_of(path: Path) -> str:
    """Return a module's path in the package: `core/loop/poller`, or `core/loop` for its `__init__.py`."""
    name = path.relative_to(PACKAGE).with_suffix("").as_posix()
    return name.removesuffix("/__init__")


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of a module."""
    return tuple(ast.walk(parse(path)))


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def nodes_for_type_checkers(tree: ast.Module) -> set[ast.AST]:
    """Return every node below an `if TYPE_CHECKING:`."""
    guarded = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    return {inner for node in guarded for statement in node.body for inner in ast.walk(statement)}


@cache
def read_imports(path: Path, *, at_run_time: bool = False) -> tuple[tuple[int, str], ...]:
    """Return (line, dotted module name) of every import; `from a import b` gives a.b where that is a module of ours."""
    skipped = nodes_for_type_checkers(parse(path)) if at_run_time else set()
    package = list(path.relative_to(PACKAGE.parent).parent.parts)
    return tuple(found for node in nodes_of(path) if node not in skipped for found in _names_imported_by(node, package))


def _names_imported_by(node: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        yield from ((node.lineno, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [base])])
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            yield node.lineno, inner if inner.replace(".", "/") in NAMES else base


def own_imports(path: Path) -> Iterator[Import]:
    """Give the imports of modules of ours."""
    for line, name in read_imports(path):
        first, _, rest = name.partition(".")
        if first == "wiverno":
            yield Import(name_of(path), rest.replace(".", "/") or "__init__", line)


class Layout:
    """Rooms and floors, and which room imports which."""

    def __init__(self, floors: dict[str, int]) -> None:
        self.floors = floors

    def room_of(self, name: str) -> str | None:
        """Return the room of a module's path, or None if the table has none for it."""
        parts = name.split("/")
        prefixes = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((prefix for prefix in prefixes if prefix in self.floors), None)

    def is_upward(self, found: Import) -> bool:
        """Tell whether an import is neither inside one room nor of a lower floor."""
        source, target = self.room_of(found.source), self.room_of(found.target)
        if source is None or target is None or source == target:
            return False
        return self.floors[target] >= self.floors[source]

    def room_graph(self) -> dict[str, set[str]]:
        """Return for each room the rooms that it imports."""
        graph: dict[str, set[str]] = {room: set() for room in self.floors}
        for path in MODULES:
            for found in own_imports(path):
                source, target = self.room_of(found.source), self.room_of(found.target)
                if source is not None and target is not None and source != target:
                    graph[source].add(target)
        return graph


def find_circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of nodes that reach one another (Tarjan's strongly connected components of two and more)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], index[other])
        if lowest[node] == index[node]:
            start = stack.index(node)
            group = stack[start:]
            del stack[start:]
            if len(group) > 1:
                circles.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return circles


def read_layout() -> Layout:
    """Return the layout that docs/architecture.md describes."""
    return Layout(read_floors(TABLE.read_text(encoding="utf-8")))
