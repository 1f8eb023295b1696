"""Python values as JSON text (RFC 8259).

Beside the values that ``json`` knows: dates and times in ISO 8601, UUIDs and decimals as text, enumerations as their
values, sets as arrays, dataclasses and pydantic models as objects. The encoder asks for them only where it meets a
value that it does not know, so plain values cost nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import uuid
from typing import Any


def dump_json(value: object) -> bytes:
    """Encode a value as JSON in UTF-8.

    Raises:
        TypeError, ValueError: the value has no JSON form; NaN and Infinity have none (RFC 8259 §6).
    """
    return _encode(value).encode()


def is_json_object(value: object) -> bool:
    """Whether a value is a dataclass or a pydantic model, which are JSON by themselves."""
    return (dataclasses.is_dataclass(value) and not isinstance(value, type)) or _is_model(value)


def _is_model(value: object) -> bool:
    # Not isinstance: this module loads nothing of pydantic, and a class of another library may offer the same.
    return callable(getattr(type(value), "model_dump", None))


def _convert(value: Any) -> Any:
    """Return what the encoder writes for a value that it does not know."""
    if isinstance(value, dt.date | dt.time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, uuid.UUID | decimal.Decimal):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if _is_model(value):
        return value.model_dump(mode="json", by_alias=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError(
        f"a {type(value).__qualname__} is not JSON serializable; send text, numbers, lists, dicts, dates, UUIDs, "
        "decimals, dataclasses or pydantic models"
    )


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_convert).encode
