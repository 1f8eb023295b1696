"""The test client: cookies, forms, files, redirects, and exceptions that reach the test."""

from __future__ import annotations

import io

import pytest

from wiverno.web.application import Wiverno
from wiverno.web.request import Request
from wiverno.web.response import Response, ReturnValue, redirect
from wiverno.web.testing import TestClient


def shop() -> Wiverno:
    app = Wiverno()

    @app.post("/login")
    def login(request: Request) -> ReturnValue:
        response = redirect("/me")
        response.set_cookie("user", request.form["name"])
        return response

    @app.get("/me")
    def me(request: Request) -> ReturnValue:
        return {"user": request.cookies.get("user")}

    @app.post("/upload")
    def upload(request: Request) -> ReturnValue:
        # The stream is read while it is sent: the uploaded file must still be open then.
        file = request.files["f"]
        return 200, (chunk for chunk in iter(lambda: file.stream.read(3), b"")), {"Content-Type": "text/plain"}

    @app.get("/boom")
    def boom(request: Request) -> ReturnValue:
        raise RuntimeError("here")

    @app.put("/json")
    def json(request: Request) -> Response:
        return Response(request.json, 201)

    return app


def test_a_session() -> None:
    client = TestClient(shop())
    answer = client.post("/login", data={"name": "ann"}, follow_redirects=True)
    assert answer.json == {"user": "ann"}
    assert client.put("/json", json={"a": 1}).status_code == 201


def test_uploads() -> None:
    answer = TestClient(shop()).post("/upload", data={"f": (io.BytesIO(b"contents"), "x.txt")})
    assert answer.text == "contents"
    answer.close()


def test_errors_reach_the_test_unless_told_otherwise() -> None:
    with pytest.raises(RuntimeError, match="here"):
        TestClient(shop()).get("/boom")
    assert TestClient(shop(), raise_errors=False).get("/boom").status_code == 500
    assert TestClient(shop()).get("/nothing").status_code == 404


def test_no_application() -> None:
    with pytest.raises(TypeError, match=r"^a TestClient needs a WSGI application, not NoneType$"):
        TestClient(None)
