"""The package has no dead code: every definition is read somewhere, or is public, or another library's."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.files import ROOT, written_files
from tests.support.layout import MODULES, nodes_of, parse

PACKAGE = ROOT / "wiverno"

OTHERS = {
    "file objects and sockets": "readinto readline readlines closed",
    "click": "format_help format_options get_command list_commands",
    "configparser, ast, sys": "optionxform visit_Attribute dont_write_bytecode",
    "ctypes, selectors": "_fields_ get_map",
    "pydantic's models": "model_dump",
    "plaster": "get_sections get_settings get_wsgi_app get_wsgi_filter get_wsgi_server setup_logging",
    "reprlib": "repr_dict maxdict maxlevel maxlist maxother maxset maxstring maxtuple",
    "complete tables of HTTP/2": "SETTINGS_TIMEOUT CONNECT_ERROR INADEQUATE_SECURITY HTTP_1_1_REQUIRED PRIORITY "
    "PUSH_PROMISE RESET",
    "sockets, which have it or not": "takes_files",
    "waitress's servers": "active_channels handle_close log_info maintenance pull_trigger task_dispatcher",
}
"""Names that another library or its users read, by whose they are."""


@cache
def modules() -> dict[Path, ast.Module]:
    return {path: parse(path) for path in MODULES}


def unfinished() -> set[str]:
    """Rooms that no other room imports yet: they are being built."""
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    imported = {
        word
        for path in modules()
        for node in nodes_of(path)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("wiverno.")
        for word in [node.module.split(".")[1]]
        if word != path.relative_to(PACKAGE).parts[0]
    }
    return rooms - imported - {"cli", "demo"}


def is_registered(node: ast.AST) -> bool:
    """Whether a decorator takes note of a function: a command, a handler, an overload."""
    decorators = getattr(node, "decorator_list", [])
    plain = {"property", "staticmethod", "classmethod", "cache", "contextmanager", "dataclass", "cached_property"}
    return any(not set(re.split(r"\W+", ast.unparse(one))) & plain for one in decorators)


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def definitions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """What a module defines: functions, classes, methods, attributes of self, constants; neither locals nor others'."""
    scopes: list[ast.Module | ast.ClassDef] = [tree]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not is_registered(node):
            yield node.name, node.lineno
        if isinstance(node, ast.ClassDef):
            scopes.append(node)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
            yield node.attr, node.lineno
    for scope in scopes:
        for statement in scope.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                for inner in ast.walk(statement):
                    if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                        yield inner.id, inner.lineno


def read_names() -> set[str]:
    """Every name that some module reads, and what stands in the package's list of public names."""
    found: set[str] = set()
    for path in modules():
        for node in nodes_of(path):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(node.id if isinstance(node, ast.Name) else node.attr)
            elif isinstance(node, ast.alias):
                found.add(node.name.split(".")[-1])
            elif path == PACKAGE / "__init__.py" and isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def documented_names() -> set[str]:
    """Every word of the documents and of the table of entry points: names that users write."""
    texts = [
        *(path for path in written_files("docs") if path.suffix == ".md"),
        ROOT / "README.md",
        ROOT / "pyproject.toml",
    ]
    return {word for path in texts for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}


def test_nothing_is_dead() -> None:
    """A definition that no code reads is taken out, with the tests that alone use it."""
    known = read_names() | documented_names() | {word for words in OTHERS.values() for word in words.split()}
    skipped = unfinished()
    dead = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path, tree in modules().items()
        if path.relative_to(PACKAGE).parts[0] not in skipped
        for name, line in definitions(tree)
        if name not in known and not re.fullmatch(r"__\w+__|_", name)
    ]
    assert not dead, "\n".join(dead)
