"""Names of other frameworks are errors that say what they are called here."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from wiverno.web.application import Wiverno
from wiverno.web.other_names import REQUEST, RESPONSE, ROUTER
from wiverno.web.request import Request
from wiverno.web.response import Response
from wiverno.web.router import Router

REQUESTED = Request({"REQUEST_METHOD": "GET", "PATH_INFO": "/"})


@pytest.mark.parametrize(
    ("owner", "name", "own"),
    [
        *((REQUESTED, name, own) for name, own in REQUEST.items()),
        *((Response(), name, own) for name, own in RESPONSE.items()),
        *((Wiverno(), name, own) for name, own in ROUTER.items()),
        (Router(), "register_blueprint", "app.include_router(router)"),
    ],
)
def test_names_of_other_frameworks(owner: Any, name: str, own: str) -> None:
    """The message has the own name; ``hasattr`` still says no."""
    assert not hasattr(owner, name)
    with pytest.raises(AttributeError, match=re.escape(f"has no attribute {name!r}; here it is {own}")):
        getattr(owner, name)


@pytest.mark.parametrize("owner", [REQUESTED, Response(), Wiverno()], ids=["request", "response", "application"])
def test_other_names_are_plain_errors(owner: Any) -> None:
    with pytest.raises(AttributeError, match=rf"^'{type(owner).__name__}' object has no attribute 'nothing'$"):
        _ = owner.nothing
    assert hasattr(copy.copy(owner), "__class__")


@pytest.mark.parametrize("text", [*REQUEST.values(), *RESPONSE.values(), *ROUTER.values()])
def test_own_names_exist(text: str) -> None:
    """What the messages name is there."""
    owners: dict[str, Any] = {"request": REQUESTED, "response": Response(), "app": Wiverno()}
    for owner, name in re.findall(r"\b(request|response|app)\.(\w+)", text):
        assert hasattr(type(owners[owner]), name) or hasattr(owners[owner], name) or name == "settings", text
