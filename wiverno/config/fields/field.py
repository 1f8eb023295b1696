"""How a setting is declared, and what a declaration is as data.

`setting()` stands in the model; `Setting` is what options, help, schema and documentation are made from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from pydantic.fields import FieldInfo

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
        meaning: what it steers, in one or two sentences.
        group: the heading it stands under in help and documentation.
        simple: the default in mode "simple", where it differs.
        otherwise: gives the default from the settings above it, where it depends on them.
        aliases: other names accepted from every source.
        secret: the value is shown nowhere unless asked for.
        inert: accepted for waitress's sake; it does nothing and warns once.
        code_only: no file, variable or option can give it.
    """
    about: dict[str, Any] = {
        "group": group, "aliases": aliases, "secret": secret, "inert": inert, "code_only": code_only,
        "default": default, "simple": default if simple is None else simple,
    }  # fmt: skip
    if otherwise is None and simple is not None:
        otherwise = lambda values: simple if values.get("mode") == "simple" else default  # noqa: E731
    if otherwise is not None:
        return Field(default_factory=otherwise, description=meaning, json_schema_extra=about)
    return Field(default=default, description=meaning, json_schema_extra=about)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as data: what options, help, schema and documentation are made from."""

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
        """The default in words; both where it differs by mode."""
        text = self.type.text(self.default) or "none"
        return (
            text
            if self.simple_default == self.default
            else f"{text}; {self.type.text(self.simple_default)} in mode simple"
        )


def describe(name: str, info: FieldInfo) -> Setting:
    """Return the declaration that stands in a field of the model."""
    value_type = next(item for item in info.metadata if isinstance(item, ValueType))
    about = info.json_schema_extra
    assert isinstance(about, dict)
    more: dict[str, Any] = dict(about)
    return Setting(
        name, value_type, more["default"], more["simple"], info.description or "", more["group"],
        more["aliases"], more["secret"], more["inert"], more["code_only"],
    )  # fmt: skip
