"""How a setting is declared, and the declaration as data.

A class of settings declares with `setting()`; options, help, schema and documentation are made from `Setting`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wiverno.config.fields.types import ValueType


def setting(
    default: object,
    meaning: str,
    group: str,
    *,
    simple: object = None,
    otherwise: Callable[[Mapping[str, Any]], object] | None = None,
    aliases: tuple[str, ...] = (),
    secret: bool = False,
    inert: bool = False,
    code_only: bool = False,
) -> Any:
    """Declare a setting.

    Args:
        default: the normalised default.
        meaning: what it does, in one or two sentences.
        group: its heading in help and documentation.
        simple: the default in mode "simple", if it differs.
        otherwise: computes the default from the settings above it, if it depends on them.
        aliases: other names accepted from every source.
        secret: the value is shown only with --reveal.
        inert: accepted for compatibility with waitress; it does nothing and warns once.
        code_only: no file, variable or option can give it.
    """
    if otherwise is None and simple is not None:
        otherwise = lambda values: simple if values.get("mode") == "simple" else default  # noqa: E731
    return Declaration(
        default, default if simple is None else simple, otherwise, meaning, group, aliases, secret, inert, code_only
    )


class Declaration:
    """What `setting()` is given, until `SettingsModel` adds name and type."""

    __slots__ = ("facts", "otherwise")

    def __init__(
        self, default: object, simple: object, otherwise: Callable[[Mapping[str, Any]], object] | None, *facts: Any
    ) -> None:
        self.otherwise = otherwise
        self.facts = (default, simple, *facts)

    def named(self, name: str, value_type: ValueType) -> Setting:
        """Return the setting."""
        default, simple, *others = self.facts
        return Setting(name, value_type, default, simple, *others)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Setting:
    """One setting as data, for options, help, schema and documentation."""

    name: str
    type: ValueType
    default: Any
    simple_default: Any
    meaning: str
    group: str
    aliases: tuple[str, ...]
    secret: bool
    inert: bool
    code_only: bool

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"WIVERNO_{self.name.upper()}"

    @property
    def option(self) -> str:
        """The command-line option that sets it."""
        return "--" + self.name.replace("_", "-")

    @property
    def default_text(self) -> str:
        """The default as text; both defaults if it depends on the mode."""
        text = self.type.text(self.default) or "none"
        return (
            text
            if self.simple_default == self.default
            else f"{text}; {self.type.text(self.simple_default)} in mode simple"
        )
