"""A class whose attributes are declared settings: complete, validated and frozen.

The declarations are the only description of the settings; this class reads values with them: each value by its declared
type, all mistakes are collected, a setting that is not given has its default, and nothing can be assigned. That was
all that pydantic did for the settings, and its import took nearly half of the time until the first answer.
The names that its users know are kept (`model_fields`, `model_fields_set`, `model_dump`, `model_json_schema`,
`model_validate`), and a model of pydantic may have a field of such a class.
"""

from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, Self

from wiverno.config.errors import BadValue
from wiverno.config.fields.field import Declaration, Setting
from wiverno.config.fields.types import ValueType


class SettingsModel:
    """Base of classes that declare settings: `name: Annotated[type, ValueType] = setting(default, …)`.

    The attributes of an instance are normalised values. Instances are equal if their values are.

    Attributes:
        model_fields: the declared settings by name; those of a base class come first.
        model_fields_set: the names that were given.
    """

    __slots__ = ("__dict__", "model_fields_set")

    model_fields: ClassVar[Mapping[str, Setting]] = MappingProxyType({})
    _defaults: ClassVar[Mapping[str, Callable[[Mapping[str, Any]], object]]] = MappingProxyType({})
    model_fields_set: frozenset[str]

    def __init_subclass__(cls) -> None:
        fields, defaults = dict(cls.model_fields), dict(cls._defaults)
        for name, annotation in list(cls.__annotations__.items()):
            declaration = cls.__dict__.get(name)
            if isinstance(declaration, Declaration):
                delattr(cls, name)  # an attribute of instances, as in any dataclass with slots
                fields[name] = declaration.named(name, _value_type(annotation))
                if declaration.otherwise is not None:
                    defaults[name] = declaration.otherwise
        cls.model_fields, cls._defaults = MappingProxyType(fields), MappingProxyType(defaults)

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Read the given values; the names have to be declared.

        Raises:
            BadValuesError: values that are not accepted, all of them.
        """
        values: dict[str, Any] = {}
        wrong: dict[str, BadValue] = {}
        defaults = self._defaults
        for name, entry in self.model_fields.items():
            if name in given:
                try:
                    values[name] = entry.type.read(given[name])
                except BadValue as error:
                    wrong[name] = error
            else:
                values[name] = defaults[name](values) if name in defaults else entry.default
        if wrong:
            raise BadValuesError(wrong)
        self.__setstate__((values, frozenset(given)))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to {name!r}: settings are frozen")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete {name!r}: settings are frozen")

    def __getstate__(self) -> tuple[dict[str, Any], frozenset[str]]:
        return self.__dict__, self.model_fields_set

    def __setstate__(self, state: tuple[dict[str, Any], frozenset[str]]) -> None:
        self.__dict__.update(state[0])
        object.__setattr__(self, "model_fields_set", state[1])

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def __repr__(self) -> str:
        shown = (
            f"{name}={'***' if self.model_fields[name].secret else repr(value)}"
            for name, value in self.__dict__.items()
            if name in self.model_fields_set
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def model_dump(self) -> dict[str, Any]:
        """Return the values by name."""
        return dict(self.__dict__)

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the values that a TOML file may give."""
        properties = {
            name: {**entry.type.schema, "description": entry.meaning}
            for name, entry in cls.model_fields.items()
            if not entry.code_only
        }
        return {"title": cls.__name__, "type": "object", "properties": properties, "additionalProperties": False}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let models of pydantic have a field of this class: an instance, or its values by name."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(cls.model_validate)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return cls.model_json_schema()

    @classmethod
    def model_validate(cls, value: object) -> Self:
        """Return settings from their values by name; an instance stays as it is.

        Raises:
            ValueError: neither, or values that are not accepted.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(f"expected {cls.__name__} or its values by name")
        return cls(**value)


class BadValuesError(ValueError):
    """Values that settings do not accept, by the settings' names."""

    def __init__(self, wrong: Mapping[str, BadValue]) -> None:
        super().__init__(", ".join(f"{name}: {error}" for name, error in wrong.items()))
        self.wrong = wrong


def _value_type(annotation: Any) -> ValueType:
    return next(item for item in annotation.__metadata__ if isinstance(item, ValueType))
