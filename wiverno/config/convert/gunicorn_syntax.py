"""The settings of a gunicorn.conf.py, read from its syntax tree: the file is a program, and it is not run.

Assignments at the top of the module are followed in their order, with conditions whose outcome is known. A setting that
is computed of something else keeps its last known value, or gets none, with a note that shows the computation.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wiverno.config.convert.gunicorn import GUNICORN
from wiverno.config.convert.gunicorn_file import GunicornFile
from wiverno.config.convert.python_values import Dotted, Evaluator, Names, Reference, Unreadable
from wiverno.config.errors import ConfigError, Origin, Problem
from wiverno.config.formats.text import read_text, template_hint

_EMPTY_IS_NONE = ("certfile", "keyfile", "ca_certs", "pidfile", "user", "group", "accesslog")
_LONGEST = 70  # characters of a computation that a note shows


@dataclass
class _Findings:
    values: dict[str, tuple[object, Origin]] = field(default_factory=dict)
    others: dict[str, tuple[str, Origin]] = field(default_factory=dict)
    unread: dict[str, Problem] = field(default_factory=dict)
    remarks: list[Problem] = field(default_factory=list)


def read_gunicorn_syntax(name: str) -> GunicornFile:
    """Return the settings of a gunicorn.conf.py without running it.

    Raises:
        ConfigError: it cannot be read, or is no Python.
    """
    text = read_text(name)
    try:
        module = ast.parse(text, name)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        number = getattr(error, "lineno", None)
        lines = text.split("\n")
        line = lines[number - 1] if number and number <= len(lines) else ""
        reason = getattr(error, "msg", None) or str(error) or "it is nested too deeply"
        origin = Origin("file", name, number, 0, line) if number else Origin("file", name)
        raise ConfigError([Problem(f"is no Python: {reason}", origin, hint=template_hint(text))]) from None
    reader = _Reader(name, text)
    reader.read(module.body)
    found = reader.found
    return GunicornFile(found.values, found.others, (), tuple(found.unread.values()), tuple(found.remarks))


class _Reader:
    """Follows the statements of a module."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._lines = text.split("\n")
        self._names = Names()
        self._directory = str(Path(name).absolute().parent)
        self.found = _Findings()

    def read(self, statements: list[ast.stmt]) -> None:
        """Take statements in their order."""
        for statement in statements:
            handler = _HANDLERS.get(type(statement))
            if handler is not None:
                handler(self, statement)
            else:
                self._forget(statement, f"is set in a {_KINDS.get(type(statement), 'statement')}")

    def _origin(self, node: ast.stmt, key: str) -> Origin:
        line = self._lines[node.lineno - 1]
        column = node.col_offset + 1
        return Origin("file", self._name, node.lineno, column, line, len(key), column, len(key))

    # ---------------------------------------------------------------- assignments

    def _assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._set(target, node.value, node)

    def _annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._set(node.target, node.value, node)

    def _augassign(self, node: ast.AugAssign) -> None:
        left = ast.parse(ast.unparse(node.target), mode="eval").body
        value = ast.fix_missing_locations(ast.copy_location(ast.BinOp(left, node.op, node.value), node.value))
        self._set(node.target, value, node)

    def _set(self, target: ast.expr, value: ast.expr, node: ast.stmt) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, other in zip(target.elts, value.elts, strict=True):
                self._set(one, other, node)
            return
        if not isinstance(target, ast.Name):
            self._forget(node, f"is changed by {_shorten(ast.unparse(node))}")
            return
        name = target.id
        evaluator = Evaluator(self._names, self._directory)
        try:
            found = evaluator.value(value)
        except Unreadable as error:
            reason = str(error) if isinstance(value, ast.Name) else ast.unparse(value)
            self._drop(name)
            self._unread(name, node, f"is computed ({_shorten(reason)}): write its value")
            self._names.reasons[name] = reason
            return
        self._drop(name)
        self._names.values[name] = found
        if evaluator.machine:
            self._names.machine[name] = evaluator.machine[0]
        if name not in GUNICORN:
            return
        origin = self._origin(node, name)
        if isinstance(found, Dotted):
            self.found.others[name] = ("function", origin)
            return
        if isinstance(found, Reference) and name in _EMPTY_IS_NONE:
            found = found.or_empty()
        self.found.values[name] = (found, origin)
        if evaluator.machine:
            message = f"is computed {evaluator.machine[0]}; {_shown(found)} is the value on this machine"
            self.found.remarks.append(Problem(message, origin, name, about="key"))

    def _drop(self, name: str) -> None:
        for table in (self._names.values, self._names.reasons, self._names.machine):
            table.pop(name, None)
        for found in (self.found.values, self.found.others, self.found.unread):
            found.pop(name, None)
        self.found.remarks[:] = [problem for problem in self.found.remarks if problem.key != name]

    def _unread(self, name: str, node: ast.stmt, message: str) -> None:
        if name in GUNICORN:
            self.found.unread[name] = Problem(message, self._origin(node, name), name, about="key")

    # ---------------------------------------------------------------- other statements

    def _functiondef(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        self._drop(node.name)
        self._names.reasons[node.name] = f"{node.name}(…)"
        if node.name in GUNICORN:
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            self.found.others[node.name] = (kind, self._origin(node, node.name))

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            self._names.values[name] = Dotted(alias.name if alias.asname else name)

    def _importfrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                message = f"settings of the module {node.module} are not read: convert it too, and merge the results"
                self.found.remarks.append(Problem(message, self._origin(node, "from"), "from", about="key"))
            self._names.values[alias.asname or alias.name] = Dotted(f"{node.module}.{alias.name}")

    def _expr(self, node: ast.Expr) -> None:
        text = ast.unparse(node)
        if "load_dotenv" in text:
            message = 'the file\'s variables are read by env_file here: [server] env_file = ".env"'
            self.found.remarks.append(Problem(message, self._origin(node, "load_dotenv"), "load_dotenv", about="key"))
        elif any(f"{name}." in text for name in self.found.values):
            self._forget(node, f"is changed by {_shorten(text)}")

    def _pass(self, node: ast.stmt) -> None:
        """Take nothing: it has no effect on settings."""

    def _try(self, node: ast.Try) -> None:
        self.read([*node.body, *node.orelse, *node.finalbody])  # as if nothing were raised

    def _with(self, node: ast.With) -> None:
        self.read(node.body)

    def _if(self, node: ast.If) -> None:
        try:
            test = Evaluator(self._names, self._directory).value(node.test)
            if isinstance(test, Reference | Dotted):
                raise Unreadable(ast.unparse(node.test))
        except Unreadable:
            if "__name__" not in ast.unparse(node.test):
                self._forget(node, f"depends on a condition ({_shorten(ast.unparse(node.test))})")
            return
        self.read(node.body if test else node.orelse)

    def _forget(self, node: ast.stmt, reason: str) -> None:
        """Note of every setting that a statement changes that its value is not followed; what it was before stays."""
        for part in ast.walk(node):
            name = ""
            if isinstance(part, ast.Name) and (
                isinstance(part.ctx, ast.Store) or isinstance(node, ast.Expr | ast.Assign)
            ):
                name = part.id
            elif isinstance(part, ast.FunctionDef):
                name = part.name
            if not name or (isinstance(node, ast.Expr | ast.Assign) and name not in self.found.values):
                continue
            before = self.found.values.get(name)
            kept = f"; {_shown(before[0])} is taken" if before is not None else ""
            self._unread(name, node, f"{reason}{kept}: write its value")
            self._names.reasons[name] = reason
            self._names.values.pop(name, None)


_HANDLERS: dict[type[ast.stmt], Callable[[_Reader, Any], None]] = {
    ast.Assign: _Reader._assign, ast.AnnAssign: _Reader._annassign, ast.AugAssign: _Reader._augassign,
    ast.FunctionDef: _Reader._functiondef, ast.AsyncFunctionDef: _Reader._functiondef,
    ast.ClassDef: _Reader._functiondef, ast.Import: _Reader._import, ast.ImportFrom: _Reader._importfrom,
    ast.Expr: _Reader._expr, ast.Pass: _Reader._pass, ast.Assert: _Reader._pass, ast.Global: _Reader._pass,
    ast.Delete: _Reader._pass, ast.Try: _Reader._try, ast.With: _Reader._with, ast.If: _Reader._if,
}  # fmt: skip
_KINDS: dict[type[ast.stmt], str] = {ast.For: "loop", ast.While: "loop", ast.Match: "match statement"}


def _shown(value: Any) -> str:
    return value.text if isinstance(value, Reference) else repr(value)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
