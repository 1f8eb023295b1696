"""The public types hold for an application that uses them rightly, and catch one that does not."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.processes import ROOT, run

WRONG = """
from wiverno import Request, Response, Wiverno

app = Wiverno()

@app.get("/a")
def number(request: Request) -> int:                    # wrong
    return 1

@app.get("/b")
def nothing(request: Request) -> None:                  # wrong
    return None

@app.get("/c")
def four(request: Request) -> tuple[int, str, dict[str, str], int]:  # wrong
    return 200, "", {}, 1

@app.get("/d")
def order(id: int) -> tuple[str, str, int]:             # wrong
    return "", "", 201

@app.get("/e")
async def coroutine(request: Request) -> str:           # wrong
    return request.jsno                                 # wrong

@app.after_request                                      # wrong
def after(response: Response) -> Response:
    return response

@app.middleware                                         # wrong
def around(request: Request) -> Response:
    return Response()

@app.get("/f", status_code=201)                         # wrong
def created(request: Request) -> str:
    return ""

app.get(7)                                              # wrong
Response("", samesite="x")                              # wrong
Wiverno(page_404=lambda: "")                            # wrong
"""


def test_types(tmp_path: Path) -> None:
    """mypy --strict accepts application.py and finds each mistake of the other file, and nothing else."""
    wrong = tmp_path / "wrong_application.py"
    wrong.write_text(WRONG)
    right = ROOT / "tests" / "typing" / "application.py"
    command = ["-m", "mypy", "--strict", "--no-error-summary", "--no-pretty", "--config-file", "", "--cache-dir"]
    ended = run(
        [*command, str(tmp_path / "cache"), str(right), str(wrong)], cwd=ROOT, deadline=500
    )  # mypy is not compiled on every Python
    found = {int(line) for line in re.findall(r"wrong_application\.py:(\d+): error", ended.stdout)}
    meant = {number for number, line in enumerate(WRONG.splitlines(), 1) if "# wrong" in line}
    # A decorated function is blamed at its decorator.
    assert {number if number in meant else number + 1 for number in found} == meant, ended.stdout
    assert "application.py:" not in ended.stdout.replace("wrong_application.py:", ""), ended.stdout
