"""The types of settings that are tables: names with values, such as variables of the environment.

In TOML they are tables (`[server.env]`), as an option `--env NAME=VALUE` may be repeated, and as text they are words
`NAME=VALUE`, quoted as in a shell. Sources are merged name by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from wiverno.config.errors import BadValue, did_you_mean
from wiverno.config.fields.types import ValueType

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_TARGET: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")

HOOKS: Final = ("when_ready", "on_reload", "post_fork", "worker_exit")

# gunicorn's other hooks, and what takes their place.
_OTHER_HOOKS: Final[Mapping[str, str]] = {
    "on_starting": "code at the top of the application's module runs at that time; post_fork runs in each worker",
    "on_exit": "use atexit; worker_exit runs at the end of each worker",
    "child_exit": "use worker_exit; the supervisor logs each worker's end, and /metrics drops what it has counted",
    "post_worker_init": "use post_fork, or code in the application's module",
    "pre_fork": "use post_fork, which runs in the worker",
    "pre_exec": "there is no second master: systemd's socket keeps the address over a restart",
    "worker_int": "use worker_exit",
    "worker_abort": "use worker_exit; a hung worker's stacks are logged",
    "nworkers_changed": "the supervisor logs it",
    "pre_request": "write a middleware: [[middleware]]",
    "post_request": "write a middleware: [[middleware]]",
    "ssl_context": "choose the oldest version of TLS and client certificates: tls_min_version, client_cert",
}


class Table(dict[str, str]):
    """Names with texts, in the order in which they were given. It is hashable, so nothing may change it."""

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __repr__(self) -> str:
        return f"<table of {', '.join(self) or 'nothing'}>"  # values may be secret


EMPTY: Final = Table()


def table_of(
    accepts: str, check: Callable[[str, str], None], *, metavar: str, examples: tuple[str, ...],
    schema: Mapping[str, Any],
) -> ValueType:  # fmt: skip
    """Return the type of a table of texts.

    Args:
        accepts: what is accepted, in words.
        check: raises BadValue for a name or value that is not accepted.
        metavar: an entry's name in an option's help.
        examples: texts to show in explanations.
        schema: JSON Schema of the table in TOML.
    """

    def read_entry(name: str, value: object) -> tuple[str, str]:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise BadValue(f"{name} is no text", 'write it in quotes: "…"', name)
        check(name, str(value))
        return name, str(value)

    def read_words(words: list[str]) -> Table:
        found: dict[str, str] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals:
                raise BadValue(f"expected NAME=VALUE, and {word!r} has no =", part=word)
            found.update([read_entry(name.strip(), value)])
        return Table(found)

    def from_text(raw: str) -> Table:
        return read_words(_split(raw))

    def from_native(raw: object) -> Table:
        if isinstance(raw, Mapping):
            return Table(dict(read_entry(str(name), value) for name, value in raw.items()))
        if isinstance(raw, list | tuple) and all(isinstance(word, str) for word in raw):
            return read_words(list(raw))
        raise BadValue(f"expected {accepts}")

    return ValueType(
        accepts, from_text, from_native,
        text=_text_of,
        native=dict,
        schema={"anyOf": [dict(schema), {"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
        metavar=metavar, examples=examples, is_list=True, is_table=True,
    )  # fmt: skip


def _text_of(value: Mapping[str, str]) -> str:
    """Return a table as words, quoted where a shell would need it."""
    from shlex import quote  # few configurations have a table

    return " ".join(f"{name}={quote(text)}" for name, text in value.items())


def _split(raw: str) -> list[str]:
    """Return the words of a text, without the quotes around or inside them; a backslash is an ordinary character."""
    import shlex

    lexer = shlex.shlex(raw, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    try:
        return list(lexer)
    except ValueError:
        raise BadValue("a quotation mark is not closed") from None


def variables() -> ValueType:
    """Return the type of a table of environment variables."""

    def check(name: str, value: str) -> None:
        if not _VARIABLE.fullmatch(name):
            raise BadValue(f"{name!r} is no name of a variable", part=name)
        if name.upper().startswith("WIVERNO_"):
            raise BadValue(f"{name} is wiverno's own variable", "write the setting itself", name)
        if "\0" in value:
            raise BadValue(f"{name} contains a NUL character", part=name)

    values = {"type": "object", "additionalProperties": {"type": ["string", "integer", "number"]}}
    accepts = "variables: a table, or words NAME=VALUE"
    return table_of(accepts, check, metavar="NAME=VALUE", examples=("TZ=UTC", "LANG=C.UTF-8"), schema=values)


def hooks() -> ValueType:
    """Return the type of the table of hooks: a hook's name, and the function as `module:function`."""

    def check(name: str, value: str) -> None:
        if name not in HOOKS:
            hint = _OTHER_HOOKS.get(name) or did_you_mean(name, HOOKS)
            raise BadValue(f"there is no hook {name!r}; hooks are {', '.join(HOOKS)}", hint, name)
        if not _TARGET.fullmatch(value):
            raise BadValue(f"{name}: expected module:function, as in shop.hooks:{name}", part=name)

    target = {"type": "string", "pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$"}
    shape = {"type": "object", "properties": dict.fromkeys(HOOKS, target), "additionalProperties": False}
    accepts = f"hooks: a table of {', '.join(HOOKS)}, each module:function"
    example = ("post_fork=shop.hooks:connect", "worker_exit=shop.hooks:disconnect")
    return table_of(accepts, check, metavar="HOOK=MODULE:FUNCTION", examples=example, schema=shape)


def other_hook(name: str) -> str:
    """Return what takes the place of one of gunicorn's hooks that wiverno does not have; "" for any other name."""
    return _OTHER_HOOKS.get(name, "")
