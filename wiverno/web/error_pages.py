"""The built-in pages for errors, for applications that define none.

Plain HTML without scripts or outside resources, or the same as JSON for a client that sent JSON or accepts it more than
HTML. They show nothing of the request but its id and the names of values that do not fit, so they cannot leak anything.
"""

from __future__ import annotations

from html import escape

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from wiverno.web.errors import HTTPError, Invalid, Problem, reason
from wiverno.web.json_text import dump_json
from wiverno.web.request import Request
from wiverno.web.response import HTML, Response


def render_error_page(request: Request, error: HTTPError) -> Response:
    """Return the answer to a request that went wrong.

    Args:
        request: The request; its ``Accept`` and its ``Content-Type`` decide the form.
        error: What went wrong; its message and headers are sent.
    """
    identity = request.id if error.status >= 500 else None
    problems = error.problems if isinstance(error, Invalid) else ()
    if prefers_json(request):
        content: dict[str, object] = {"status": error.status, "error": reason(error.status), "message": error.message}
        if identity:
            content["request_id"] = identity
        if problems:
            # As pydantic and FastAPI name them.
            content["details"] = [{"loc": one.place, "msg": one.message, "type": one.kind} for one in problems]
        answer = Response(dump_json(content), error.status, error.headers, "application/json")
    else:
        answer = Response(_page(error, identity, problems), error.status, error.headers, HTML)
    answer.add_vary("Accept")
    return answer


def prefers_json(request: Request) -> bool:
    """Whether a client accepts JSON more than HTML, or sent JSON and accepts both alike (RFC 9110 §12.5.1)."""
    accepted = request.environ.get("HTTP_ACCEPT", "")
    if "json" not in accepted and not request.is_json:
        return False
    json, html = _acceptance(accepted)
    return json > html or (json == html and request.is_json)


def _acceptance(accepted: str) -> tuple[tuple[float, bool], tuple[float, bool]]:
    """Return how much JSON and HTML are accepted: the quality, and whether the type was named."""
    ranges = [(kind.partition(";")[0].lower(), quality) for kind, quality in parse_accept_header(accepted, MIMEAccept)]

    def of(form: str, family: str) -> tuple[float, bool]:
        named = [quality for kind, quality in ranges if kind.endswith((f"/{form}", f"+{form}"))]
        if named:
            return max(named), True
        return max((quality for kind, quality in ranges if kind in ("*/*", family)), default=0.0), False

    return of("json", "application/*"), of("html", "text/*")


def _page(error: HTTPError, identity: str | None, problems: tuple[Problem, ...]) -> str:
    title = f"{error.status} {reason(error.status)}"
    note = f"<p class=id>Request {escape(identity)}</p>" if identity else ""
    rows = "".join(f"<li>{escape('.'.join(map(str, one.place)))}: {escape(one.message)}</li>" for one in problems)
    found = f"<ul>{rows}</ul>" if rows else ""
    return f"""<!doctype html>
<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{_STYLE}</style>
<main><p class=status>{error.status}</p><h1>{escape(reason(error.status))}</h1>
<p>{escape(error.message)}</p>{found}{note}</main></html>
"""


_STYLE = (
    ":root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;"
    "font:16px/1.5 system-ui,sans-serif;background:Canvas;color:CanvasText}"
    "main{max-width:32rem;padding:2rem}h1{margin:0 0 .5rem;font-size:1.6rem}"
    ".status{margin:0;font:700 4rem/1 ui-monospace,monospace;opacity:.25}"
    ".id{opacity:.6;font:.85rem ui-monospace,monospace}"
)
