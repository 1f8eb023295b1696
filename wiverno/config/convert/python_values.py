"""The value of a Python expression, found without running it.

Constants, containers, arithmetic, text, a few functions without effects, and variables of the environment, which become
`${NAME}` in the result. Everything else raises `Unreadable` with the words for a note.
"""

from __future__ import annotations

import ast
import operator
import os
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wiverno.config.formats.interpolation import escape

MOST: Final = 10_000  # characters or items of a value: no setting has more


class Unreadable(Exception):
    """The value cannot be found; the text says of what it is computed."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Text with `${NAME}` for variables of the environment, as TOML has it; other `${` in it is escaped."""

    text: str
    has_default: bool = True
    may_be_unset: bool = False

    def or_empty(self) -> Reference:
        """Return this one with the default "" if the program goes on without the variable."""
        return _with_default(self, "") if self.may_be_unset else self


class PathText(str):
    """The text of a `pathlib.Path`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Dotted:
    """The name of something in a module, such as os.environ."""

    name: str


@dataclass
class Names:
    """What the names of a module mean at one point of it.

    Attributes:
        values: the values that could be found.
        reasons: why a name's value is not known.
        machine: names whose values depend on this machine, with the words for it.
    """

    values: dict[str, object] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)


_BINARY: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.BitOr: operator.or_,
}  # fmt: skip
_UNARY: Final[Mapping[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_,
}  # fmt: skip
_COMPARE: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda one, other: one in other, ast.NotIn: lambda one, other: one not in other,
    ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip
_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "max": max, "min": min, "int": int, "float": float, "str": str, "bool": bool, "round": round, "abs": abs,
    "len": len, "list": list, "tuple": tuple, "dict": dict, "sorted": sorted, "sum": sum,
    "os.path.join": posixpath.join, "os.path.dirname": posixpath.dirname, "os.path.basename": posixpath.basename,
    "os.path.normpath": posixpath.normpath, "pathlib.Path": lambda *parts: PathText(posixpath.join(*parts or ("",))),
}  # fmt: skip
_CPU_COUNTS: Final = ("multiprocessing.cpu_count", "os.cpu_count", "psutil.cpu_count", "os.process_cpu_count")
_METHODS: Final = frozenset(
    ("join", "strip", "lstrip", "rstrip", "lower", "upper", "split", "replace", "format", "get", "startswith",
     "endswith", "removeprefix", "removesuffix", "title")
)  # fmt: skip
_ERRORS: Final = (TypeError, ValueError, KeyError, IndexError, ArithmeticError, AttributeError, RecursionError)


class Evaluator:
    """Finds values of expressions; `machine` collects why the last one depends on this machine."""

    def __init__(self, names: Names, directory: str) -> None:
        """`directory` is the file's, for `__file__` and the current directory."""
        self._names = names
        self._directory = directory
        self.machine: list[str] = []

    def value(self, node: ast.expr) -> Any:
        """Return the value.

        Raises:
            Unreadable: it is computed of something that is not known here.
        """
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise Unreadable(ast.unparse(node))
        try:
            found = handler(self, node)
        except _ERRORS:
            raise Unreadable(ast.unparse(node)) from None
        if isinstance(found, str | list | tuple | dict) and len(found) > MOST:
            raise Unreadable(ast.unparse(node))
        return found

    # ---------------------------------------------------------------- names and literals

    def _constant(self, node: ast.Constant) -> object:
        return node.value

    def _name(self, node: ast.Name) -> object:
        name = node.id
        if name in self._names.machine:
            self.machine.append(self._names.machine[name])
        if name in self._names.values:
            return self._names.values[name]
        if name in self._names.reasons:
            raise Unreadable(self._names.reasons[name])
        if name == "__file__":
            self.machine.append("from the file's directory")
            return f"{self._directory}/{name}"
        return Dotted(name)

    def _attribute(self, node: ast.Attribute) -> object:
        owner = self.value(node.value)
        if isinstance(owner, Dotted):
            return Dotted(f"{owner.name}.{node.attr}")
        if isinstance(owner, PathText) and node.attr == "parent":
            return PathText(posixpath.dirname(owner))
        if isinstance(owner, PathText) and node.attr == "name":
            return posixpath.basename(owner)
        raise Unreadable(ast.unparse(node))

    def _list(self, node: ast.List) -> list[object]:
        return [self.plain(item) for item in node.elts]

    def _tuple(self, node: ast.Tuple) -> list[object]:
        return [self.plain(item) for item in node.elts]

    def _dict(self, node: ast.Dict) -> dict[object, object]:
        if any(key is None for key in node.keys):
            raise Unreadable(ast.unparse(node))
        pairs = zip(node.keys, node.values, strict=True)
        return {self.plain(key): self.plain(value) for key, value in pairs if key is not None}

    def plain(self, node: ast.expr) -> Any:
        """Return a value that is no name of a module."""
        found = self.value(node)
        if isinstance(found, Dotted):
            raise Unreadable(ast.unparse(node))
        return found

    # ---------------------------------------------------------------- text and arithmetic

    def _joinedstr(self, node: ast.JoinedStr) -> object:
        parts: list[object] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                if part.format_spec is not None or part.conversion not in (-1, 115):
                    raise Unreadable(ast.unparse(node))
                parts.append(self.plain(part.value))
            else:
                parts.append(self.plain(part))
        return _concatenate(parts)

    def _binop(self, node: ast.BinOp) -> object:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(left, PathText) and isinstance(right, str) and isinstance(node.op, ast.Div):
            return PathText(posixpath.join(left, right))
        is_text = all(isinstance(side, str | Reference) for side in (left, right))
        if isinstance(node.op, ast.Add) and is_text:
            return _concatenate([left, right])
        if isinstance(node.op, ast.Mod) and isinstance(left, str) and left.count("%s") == left.count("%") > 0:
            words = right if isinstance(right, list) else [right]
            head, *rest = left.split("%s")
            pieces = [piece for pair in zip(words, rest, strict=True) for piece in pair]
            return _concatenate([head, *pieces])
        if isinstance(node.op, ast.Mod) and isinstance(left, str):
            raise Unreadable(ast.unparse(node))  # a width of a thousand million is a format, too
        return self._combine(_BINARY, node, node.op, left, right)

    def _combine(self, table: Mapping[Any, Callable[..., Any]], node: ast.expr, kind: object, *values: object) -> Any:
        if type(kind) not in table or any(isinstance(value, Reference | Dotted) for value in values):
            raise Unreadable(ast.unparse(node))
        if isinstance(kind, ast.Mult):
            sizes = [len(value) if isinstance(value, str | list) else value for value in values]
            if any(isinstance(value, str | list) for value in values) and sizes[0] * sizes[1] > MOST:  # type: ignore[operator]
                raise Unreadable(ast.unparse(node))
        return table[type(kind)](*values)

    def _unaryop(self, node: ast.UnaryOp) -> object:
        return self._combine(_UNARY, node, node.op, self.value(node.operand))

    def _compare(self, node: ast.Compare) -> object:
        if len(node.ops) != 1:
            raise Unreadable(ast.unparse(node))
        sides = self.value(node.left), self.value(node.comparators[0])
        return self._combine(_COMPARE, node, node.ops[0], *sides)

    def _boolop(self, node: ast.BoolOp) -> object:
        """`os.environ.get(NAME) or default` is `${NAME:-default}`; anything else is decided by its values."""
        values = [self.value(part) for part in node.values]
        first = values[0]
        if isinstance(node.op, ast.Or) and isinstance(first, Reference) and not first.has_default and len(values) == 2:
            return _with_default(first, values[1])
        for value in values[:-1]:
            if isinstance(value, Reference | Dotted):
                raise Unreadable(ast.unparse(node))
            if bool(value) == isinstance(node.op, ast.Or):
                return value
        return values[-1]

    def _ifexp(self, node: ast.IfExp) -> object:
        test = self.value(node.test)
        if isinstance(test, Reference | Dotted):
            raise Unreadable(ast.unparse(node))
        return self.value(node.body if test else node.orelse)

    def _subscript(self, node: ast.Subscript) -> object:
        owner, key = self.value(node.value), self.plain(node.slice)
        if owner == Dotted("os.environ"):
            return Reference(f"${{{key}}}", has_default=False)
        if isinstance(owner, Dotted | Reference):
            raise Unreadable(ast.unparse(node))
        return owner[key]

    # ---------------------------------------------------------------- calls

    def _call(self, node: ast.Call) -> object:
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value)
            if not isinstance(owner, Dotted):
                return self._method(node, owner, node.func.attr)
        called = self.value(node.func)
        if not isinstance(called, Dotted) or any(keyword.arg is None for keyword in node.keywords):
            raise Unreadable(ast.unparse(node))
        name = called.name
        keywords = {str(keyword.arg): self.plain(keyword.value) for keyword in node.keywords}
        arguments = [self.plain(argument) for argument in node.args]
        if name in ("os.environ.get", "os.getenv"):
            default = [*arguments[1:], *(keywords[key] for key in ("default",) if key in keywords)]
            reference = Reference(f"${{{arguments[0]}}}", has_default=False, may_be_unset=True)
            return _with_default(reference, default[0]) if default and default[0] is not None else reference
        if name in _CPU_COUNTS or name == "os.sched_getaffinity":
            self.machine.append("from the number of processors")
            count = os.cpu_count() or 1
            return list(range(count)) if name == "os.sched_getaffinity" else count
        if name in ("os.getcwd", "os.path.abspath", "os.path.realpath", "pathlib.Path.cwd"):
            self.machine.append("from this directory")
            return posixpath.normpath(posixpath.join(self._directory, *arguments))
        if name in ("int", "str", "float") and len(arguments) == 1 and isinstance(arguments[0], Reference):
            return arguments[0]
        if name not in _FUNCTIONS or any(isinstance(argument, Reference) for argument in _leaves(arguments)):
            raise Unreadable(ast.unparse(node))
        return _FUNCTIONS[name](*arguments, **keywords)

    def _method(self, node: ast.Call, owner: object, name: str) -> object:
        arguments = [self.plain(argument) for argument in node.args]
        keywords = {str(keyword.arg): self.plain(keyword.value) for keyword in node.keywords}
        leaves = _leaves([owner, *arguments, *keywords.values()])
        if isinstance(owner, str) and name == "format" and re.search(r"\{[^{}]*[:!.\[]", owner):
            raise Unreadable(ast.unparse(node))
        if isinstance(owner, str) and name == "format" and any(isinstance(leaf, Reference) for leaf in leaves):
            marks = [f"\0{number}\0" for number in range(len(arguments))]
            text = owner.format(*marks)
            return _concatenate(
                [arguments[int(piece)] if number % 2 else piece for number, piece in enumerate(text.split("\0"))]
            )
        if isinstance(owner, Reference) and name in ("strip", "lower"):
            return owner
        if isinstance(owner, PathText):
            return self._path_method(node, owner, name, leaves)
        known = isinstance(owner, str | dict) and name in _METHODS
        if not known or any(isinstance(leaf, Reference) for leaf in leaves):
            raise Unreadable(ast.unparse(node))
        return getattr(owner, name)(*arguments, **keywords)

    def _path_method(self, node: ast.Call, owner: PathText, name: str, leaves: list[object]) -> object:
        if name in ("resolve", "absolute"):
            if not posixpath.isabs(owner):
                self.machine.append("from this directory")
            return PathText(posixpath.normpath(posixpath.join(self._directory, owner)))
        if name == "joinpath" and all(isinstance(leaf, str) for leaf in leaves):
            return PathText(posixpath.join(*map(str, leaves)))
        if name == "as_posix":
            return str(owner)
        raise Unreadable(ast.unparse(node))


_HANDLERS: Final[Mapping[type[ast.expr], Callable[[Evaluator, Any], Any]]] = {
    ast.Constant: Evaluator._constant, ast.Name: Evaluator._name, ast.Attribute: Evaluator._attribute,
    ast.List: Evaluator._list, ast.Tuple: Evaluator._tuple, ast.Dict: Evaluator._dict,
    ast.JoinedStr: Evaluator._joinedstr, ast.BinOp: Evaluator._binop, ast.UnaryOp: Evaluator._unaryop,
    ast.Compare: Evaluator._compare, ast.BoolOp: Evaluator._boolop, ast.IfExp: Evaluator._ifexp,
    ast.Subscript: Evaluator._subscript, ast.Call: Evaluator._call,
}  # fmt: skip


def _leaves(values: object) -> list[object]:
    if isinstance(values, list | tuple):
        return [leaf for value in values for leaf in _leaves(value)]
    return [values]


def _concatenate(parts: list[object]) -> object:
    """Return parts of a text in one; a reference in it makes the whole one."""
    if not any(isinstance(part, Reference) for part in parts):
        return "".join(str(part) for part in parts)
    return Reference("".join(part.text if isinstance(part, Reference) else escape(str(part)) for part in parts))


def _with_default(reference: Reference, default: object) -> Reference:
    text = default.text if isinstance(default, Reference) else str(default)
    if isinstance(default, Dotted | list | dict | bool) or "}" in text or "${" in text:
        raise Unreadable(f"{reference.text} with a default")
    return Reference(f"{reference.text[:-1]}:-{text}}}")
