"""Completion of `module:attribute` on the command line: the files here, and the names that a module defines.

Nothing is imported: pressing Tab must not run an application.
"""

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MOST_FILES = 1000  # directories with more are not worth the wait


class TargetType(click.types.StringParamType):
    """Text whose completion offers `module:` for modules below the current directory, then their names."""

    name = "target"

    def __init__(self, words: Iterable[str] = ()) -> None:
        """Offer `words`, too."""
        self.words = tuple(words)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Return what may follow."""
        from click.shell_completion import CompletionItem  # only the shell's Tab needs it

        module, colon, attribute = incomplete.partition(":")
        if colon:
            found = [f"{module}:{name}" for name in names_in(module) if name.startswith(attribute)]
        else:
            found = [word for word in self.words if word.startswith(incomplete)]
            found += [f"{name}:" for name in modules_below(Path.cwd(), incomplete)]
        return [CompletionItem(text) for text in found]


def modules_below(folder: Path, beginning: str) -> list[str]:
    """Return the dotted names of the modules and packages that begin so, one level at a time."""
    package, _, _ = beginning.rpartition(".")
    place = folder.joinpath(*package.split(".")) if package else folder
    found = []
    try:
        entries = sorted(place.iterdir())[:MOST_FILES]
    except OSError:
        return []
    for entry in entries:
        name = entry.stem if entry.suffix == ".py" else entry.name
        is_module = entry.suffix == ".py" or (entry / "__init__.py").is_file()
        dotted = f"{package}.{name}" if package else name
        if is_module and name.isidentifier() and name != "__init__" and dotted.startswith(beginning):
            found.append(dotted)
    return found


def names_in(module: str) -> list[str]:
    """Return what a module below the current directory defines at its top, without running it."""
    place = Path(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, ValueError, SyntaxError, RecursionError):
            continue
        return sorted({name for statement in tree.body for name in _defined(statement) if not name.startswith("_")})
    return []


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.ImportFrom | ast.Import):
        return [alias.asname or alias.name for alias in statement.names if "." not in (alias.asname or alias.name)]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]
