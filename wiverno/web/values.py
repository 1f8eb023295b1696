"""Values of a request by name. A missing name is the client's mistake: 400, and the response names it.

The exception is a ``KeyError`` too, so ``except KeyError`` around ``request.form["title"]`` works as with any mapping;
``get``, ``in`` and ``getlist`` never raise it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, NoReturn, TypeVar

from werkzeug.datastructures import EnvironHeaders, FileStorage, ImmutableMultiDict

from wiverno.web.errors import HTTPError

_V = TypeVar("_V")
_LONGEST_NAME = 100


class MissingValue(HTTPError, KeyError):
    """A handler has read a value that the request does not have.

    Attributes:
        name: The missing name.
    """

    def __init__(self, what: str, name: object, note: str = "") -> None:
        self.name: Any = name
        super().__init__(400, f"{what} {repr(name)[:_LONGEST_NAME]}{note}.")

    # KeyError would show the sentence in quotes.
    __str__ = Exception.__str__


class _Values(ImmutableMultiDict[str, _V]):
    """Values by name; ``note`` may say why it is empty."""

    _what: ClassVar[str]
    note = ""

    def __getitem__(self, key: str) -> _V:
        try:
            return super().__getitem__(key)
        except KeyError:
            raise MissingValue(self._what, key, self.note) from None


class Query(_Values[str]):
    """The parameters of a query."""

    _what = "The query has no parameter"


class Cookies(_Values[str]):
    """The cookies of a request."""

    _what = "The request has no cookie"


class Form(_Values[str]):
    """The fields of a form."""

    _what = "The form has no field"


class Files(_Values[FileStorage]):
    """The files of a form."""

    _what = "The form has no file"


class Fields(EnvironHeaders):
    """The header fields of a request."""

    def __getitem__(self, key: Any, *more: Any) -> Any:
        """Return a field's value; the case of its name does not matter."""
        try:
            return super().__getitem__(key, *more)
        except KeyError:
            if not isinstance(key, str):
                raise
            raise MissingValue("The request has no header", key) from None


class Session(dict[str, Any]):
    """What an application keeps for one browser: values that JSON can hold, by name.

    Attributes:
        original: The session as JSON when the request began; what differs from it is saved.
    """

    __slots__ = ("original",)

    original: str


class MissingMember(MissingValue, AttributeError):
    """A handler has asked a JSON value that is no object for what an object has, like ``get``."""


def _refuse_methods(kind: str) -> Any:
    """Return a ``__getattr__`` for which the methods of an object are members that are missing."""

    def refuse(self: object, name: str) -> NoReturn:
        if name in _OBJECT_METHODS:
            raise MissingMember(f"The body's JSON is {kind} and has no", name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    return refuse


_OBJECT_METHODS: Final = frozenset({"get", "items", "keys", "values", "pop", "setdefault", "update"})


class JSONObject(dict[str, Any]):
    """An object of a request's JSON."""

    __slots__ = ()

    def __missing__(self, key: object) -> NoReturn:
        raise MissingValue("The body's JSON has no member", key)


class JSONArray(list[Any]):
    """A request's JSON that is an array, where a handler may expect an object."""

    __slots__ = ()
    __getattr__ = _refuse_methods("an array")

    def __getitem__(self, key: Any) -> Any:
        """Return an item or a slice; an item that is not there, or a name, is the client's mistake."""
        if isinstance(key, str):
            raise MissingValue("The body's JSON is an array and has no member", key)
        try:
            return super().__getitem__(key)
        except IndexError:
            raise MissingValue("The body's JSON has no item", key) from None


class _JSONNumber:
    """What both kinds of numbers share: they have no members."""

    __slots__ = ()
    __getattr__ = _refuse_methods("a number")

    def __contains__(self, key: object) -> bool:
        return False

    def __getitem__(self, key: object) -> NoReturn:
        raise MissingValue("The body's JSON is a number and has no member", key)


class JSONInteger(_JSONNumber, int):
    """A request's JSON that is an integer."""


class JSONFloat(_JSONNumber, float):
    """A request's JSON that is a number with a fraction."""


class JSONText(str):
    """A request's JSON that is a string."""

    __slots__ = ()
    __getattr__ = _refuse_methods("a string")

    def __getitem__(self, key: Any) -> str:
        """Return a character or a slice; a name is the client's mistake."""
        if isinstance(key, str):
            raise MissingValue("The body's JSON is a string and has no member", key)
        return super().__getitem__(key)


_WITHOUT_MEMBERS: Final[dict[type, type]] = {list: JSONArray, int: JSONInteger, float: JSONFloat, str: JSONText}


def refuse_members(value: Any) -> Any:
    """Return a JSON document so that asking it for a member is the client's mistake where it is no object.

    ``true``, ``false`` and ``null`` stay Python's own, which no class can extend (``explain_misuse``).
    """
    kind = _WITHOUT_MEMBERS.get(type(value))
    return value if kind is None else kind(value)


def explain_misuse(error: Exception, document: object) -> HTTPError | None:
    """Return the client's mistake behind an exception, or None if there is none.

    A handler that asks for a member gets a TypeError or an AttributeError from Python where the whole document is
    ``true``, ``false`` or ``null``.

    Args:
        error: What the handler raised.
        document: The request's JSON.
    """
    if not (document is None or isinstance(document, bool)) or not isinstance(error, TypeError | AttributeError):
        return None
    kind = type(document).__name__
    if not str(error).startswith((f"{kind!r} object", f"argument of type {kind!r}")):
        return None
    text = {None: "null", True: "true", False: "false"}[document]
    return HTTPError(400, f"The body's JSON is {text} and has no members.")
