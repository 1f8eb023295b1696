"""A name that a request does not have is the client's mistake."""

import logging
from collections.abc import Callable
from io import BytesIO
from typing import Annotated, Any

import pytest
from pydantic import Field
from typing_extensions import TypedDict
from werkzeug.datastructures import MultiDict

from wiverno import Request, Wiverno
from wiverno.web.errors import abort
from wiverno.web.testing import TestClient

JSON = {"Accept": "application/json"}
READS: dict[str, tuple[Callable[[Request], object], dict[str, Any], str]] = {
    "form": (lambda r: r.form["title"], {"data": {"a": "1"}}, "The form has no field 'title'."),
    "form, no form": (lambda r: r.form["title"], {}, "The form has no field 'title': the body is not a form."),
    "multipart": (
        lambda r: r.files["photo"],
        {"data": {"a": "1"}, "content_type": "multipart/form-data"},
        "The form has no file 'photo'.",
    ),
    "file": (
        lambda r: r.files["photo"],
        {"data": {"a": "1"}},
        "The form has no file 'photo': a form with files is sent as multipart/form-data.",
    ),
    "query": (lambda r: r.query_params["page"], {}, "The query has no parameter 'page'."),
    "cookie": (lambda r: r.cookies["seen"], {}, "The request has no cookie 'seen'."),
    "header": (lambda r: r.headers["X-Token"], {}, "The request has no header 'X-Token'."),
    "json": (lambda r: r.json["note"], {"json": {"a": 1}}, "The body's JSON has no member 'note'."),
    "json, deeper": (lambda r: r.json["a"][0]["b"], {"json": {"a": [{}]}}, "The body's JSON has no member 'b'."),
    "data": (lambda r: r.data["note"], {"json": {}}, "The body's JSON has no member 'note'."),
    "long": (lambda r: r.query_params["x" * 500], {}, f"The query has no parameter '{'x' * 99}."),
}


@pytest.mark.parametrize(("read", "sent", "message"), READS.values(), ids=READS)
def test_missing_is_400_and_named(
    read: Callable[[Request], object], sent: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is 400 and says what is missing; so does one warning in the log, without a traceback."""
    app = Wiverno()
    app.add_route("/f", read, ["POST"])  # type: ignore[arg-type]
    answer = TestClient(app).post("/f", headers=JSON, **sent)
    assert (answer.status_code, answer.json) == (400, {"status": 400, "error": "Bad Request", "message": message})
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert record.getMessage().startswith("POST /f answered 400, request ")
    assert record.getMessage().endswith(message)


@pytest.mark.parametrize(("read", "sent", "message"), READS.values(), ids=READS)
def test_missing_is_a_key_error_too(read: Callable[[Request], object], sent: dict[str, Any], message: str) -> None:
    """A handler may catch it as it would with any mapping."""
    app = Wiverno()

    @app.post("/f")
    def handler(request: Request) -> str:
        try:
            read(request)
        except KeyError as error:
            return str(error)
        return "found"

    assert TestClient(app).post("/f", **sent).text == f"400 Bad Request: {message}"


def test_asking_for_a_default_never_fails() -> None:
    """`get`, `in` and `getlist` answer without a value."""
    app = Wiverno()

    @app.post("/f")
    def handler(request: Request) -> list[object]:
        places: list[Any] = [
            request.form, request.files, request.query_params, request.cookies, request.headers, request.json,
        ]  # fmt: skip
        return [place.get("x", "-") for place in places] + ["x" in place for place in places]

    assert TestClient(app).post("/f", json={}).json == ["-"] * 6 + [False] * 6


def test_a_path_parameter_that_the_route_lacks_is_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    """The client cannot help it: 500 with a traceback, and so is a key of the handler's own dictionaries."""
    app = Wiverno()
    app.add_route("/p", lambda request: request.path_params["id"])
    app.add_route("/d", lambda request: dict[str, str]()["id"])
    client = TestClient(app, raise_errors=False)
    assert [client.get(path).status_code for path in ("/p", "/d")] == [500, 500]
    assert all(record.exc_info for record in caplog.records)


def test_other_mistakes_of_clients_are_logged_with_their_reason(caplog: pytest.LogCaptureFixture) -> None:
    """A body that is no JSON, a handler's own refusal, and one whose text would begin another line."""
    app = Wiverno()
    app.add_route("/f", lambda request: {"a": request.json["a"]}, ["POST"])
    app.add_route("/a", lambda request: abort(400, request.query_params["t"]))
    client = TestClient(app)
    client.post("/f", data="no json")
    client.get("/a?t=A+bad+page.")
    client.get("/a?t=x%0aGET+/forged")
    said = [message.partition(": ")[2] for message in caplog.messages]
    assert said == ["The body is not JSON (line 1, column 1).", "A bad page.", "'x\\nGET /forged'"]


def test_what_werkzeug_raises_keeps_its_status() -> None:
    """A body that ends early under `request.stream`, and a dictionary of Werkzeug's that a handler made."""
    app = Wiverno()
    app.add_route("/m", lambda request: MultiDict[str, str]()["x"])
    app.add_route("/s", lambda request: request.stream.read(), ["POST"])
    client = TestClient(app)
    assert client.get("/m").status_code == 400
    environ = {"wsgi.input": BytesIO(b"ab"), "CONTENT_LENGTH": "5"}
    assert client.post("/s", environ_overrides=environ).status_code == 400


@pytest.mark.parametrize("document", ["true", "false", "null", "[1]", "3", "1.5", '"note"', "[" * 60 + "]" * 60])
@pytest.mark.parametrize(
    "read",
    [
        lambda document: document["note"],
        lambda document: document.get("note"),
        lambda document: dict(document.items()),
        lambda document: document["a"]["b"],
    ],
    ids=["member", "get", "items", "deeper"],
)
def test_json_that_is_no_object_has_no_members(document: str, read: Callable[[Any], Any]) -> None:
    """A handler that takes it for an object answers 400, whatever it asks for."""
    app = Wiverno()
    app.add_route("/f", lambda request: {"got": read(request.json)}, ["POST"])
    answer = TestClient(app).post("/f", data=document, headers=JSON)
    assert (answer.status_code, "The body's JSON is " in answer.text) == (400, True)


@pytest.mark.parametrize("document", ["true", "false", "null", "[1]", "3", "1.5", '"note"', "[" * 60 + "]" * 60])
def test_json_of_any_kind_is_a_value(document: str) -> None:
    """A handler that expects it gets it; the question whether it has a method of objects is answered with no."""
    app = Wiverno()
    app.add_route("/f", lambda request: {"got": request.json, "get": hasattr(request.json, "get")}, ["POST"])
    assert TestClient(app).post("/f", data=document).text == f'{{"got":{document},"get":false}}'


class Person(TypedDict):
    name: str


class Letter(TypedDict):
    user: Person
    lines: Annotated[list[str], Field(min_length=1)]


@pytest.mark.parametrize(
    ("document", "status", "place"),
    [
        ({"user": {}, "lines": ["a"]}, 400, ["body", "user", "name"]),
        ({"user": None, "lines": ["a"]}, 500, ["body", "user"]),
        ({"user": True, "lines": ["a"]}, 500, ["body", "user"]),
        ({"user": "ann", "lines": ["a"]}, 500, ["body", "user"]),
        ({"user": ["ann"], "lines": ["a"]}, 500, ["body", "user"]),
        ({"user": {"name": "ann"}, "lines": []}, 500, ["body", "lines"]),
    ],
)
def test_values_of_the_wrong_kind_inside_the_json(
    document: dict[str, Any], status: int, place: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """They are Python's own, and a handler that does not check them fails; a declared body answers 422 with the place.

    A member that an object lacks is named at any depth.
    """
    app = Wiverno()

    @app.post("/read")
    def read(request: Request) -> str:
        return str(request.json["user"]["name"] + request.json["lines"][0])

    @app.post("/declared")
    def declared(letter: Letter) -> str:
        return letter["user"]["name"] + letter["lines"][0]

    client = TestClient(app, raise_errors=False)
    assert client.post("/read", json=document).status_code == status
    assert [record.exc_info is not None for record in caplog.records] == [status == 500]
    answer = client.post("/declared", json=document)
    details: Any = answer.json
    assert (answer.status_code, details["details"][0]["loc"]) == (422, place)


def test_mistakes_of_the_handler_are_no_mistake_of_the_client(caplog: pytest.LogCaptureFixture) -> None:
    """The same exception about another value, or for another body, is a bug: 500."""
    app = Wiverno()
    app.add_route("/a", lambda request: [request.json, [].nothing], ["POST"])  # type: ignore[attr-defined]
    app.add_route("/b", lambda request: [request.json, request.json.nothing], ["POST"])
    app.add_route("/c", lambda request: [request.json, 1 + "a"], ["POST"])  # type: ignore[operator]
    client = TestClient(app, raise_errors=False)
    sent = {"/a": "{}", "/b": "[]", "/c": "null"}
    assert [client.post(path, data=data).status_code for path, data in sent.items()] == [500, 500, 500]
    assert all(record.exc_info for record in caplog.records)
