"""The built-in pages for errors, for applications that define none.

Plain HTML without scripts or outside resources; a client that asks for JSON and not for HTML gets the same as JSON.
They show nothing of the request but its id, so they cannot leak anything.
"""

from __future__ import annotations

from html import escape

from wiverno.web.errors import HTTPError, reason
from wiverno.web.request import Request
from wiverno.web.response import HTML, Response, dump_json


def render_error_page(request: Request, error: HTTPError) -> Response:
    """Return the answer to a request that went wrong.

    Args:
        request: The request; its ``Accept`` decides the form.
        error: What went wrong; its message and headers are sent.
    """
    identity = request.id if error.status >= 500 else None
    if prefers_json(request):
        content: dict[str, object] = {"status": error.status, "error": reason(error.status), "message": error.message}
        if identity:
            content["request_id"] = identity
        return Response(dump_json(content), error.status, error.headers, "application/json")
    return Response(_page(error, identity), error.status, error.headers, HTML)


def prefers_json(request: Request) -> bool:
    """Whether the client named JSON and did not name HTML."""
    accept = request.environ.get("HTTP_ACCEPT", "")
    return "json" in accept and "html" not in accept


def _page(error: HTTPError, identity: str | None) -> str:
    title = f"{error.status} {reason(error.status)}"
    note = f"<p class=id>Request {escape(identity)}</p>" if identity else ""
    return f"""<!doctype html>
<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{_STYLE}</style>
<main><p class=status>{error.status}</p><h1>{escape(reason(error.status))}</h1>
<p>{escape(error.message)}</p>{note}</main></html>
"""


_STYLE = (
    ":root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;"
    "font:16px/1.5 system-ui,sans-serif;background:Canvas;color:CanvasText}"
    "main{max-width:32rem;padding:2rem}h1{margin:0 0 .5rem;font-size:1.6rem}"
    ".status{margin:0;font:700 4rem/1 ui-monospace,monospace;opacity:.25}"
    ".id{opacity:.6;font:.85rem ui-monospace,monospace}"
)
