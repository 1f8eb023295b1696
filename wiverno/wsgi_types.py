"""The types of PEP 3333: what a server gives to an application and gets from it. Nothing else is here."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
Application: TypeAlias = Callable[..., Iterable[bytes]]
