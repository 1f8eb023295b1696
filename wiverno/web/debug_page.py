"""The debug page: the exception, its place and its request. It executes nothing.

There is no console and no script. Every text is escaped, and a Content-Security-Policy forbids the browser to run or
load anything. A click on a call shows its lines, another one its local values; secrets are masked everywhere
(``wiverno.redaction``). Plain text has the local values only with ``?__locals__=1`` in the address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import parse_qsl

from wiverno.redaction import MASK, Masker, is_secret_name
from wiverno.web.request import Request
from wiverno.web.response import HTML, TEXT, Response
from wiverno.web.tracebacks import Failure, Frame, SourceLine, read_failures

LOCALS_PARAMETER = "__locals__"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def render_debug_page(
    error: BaseException, environ: Mapping[str, Any], *, title: str = "", advice: str = ""
) -> Response:
    """Return the page for an exception; plain text for a client that does not ask for HTML.

    Args:
        error: The exception.
        environ: The request during which it was raised.
        title: What went wrong in a few words; by default that the request failed.
        advice: What to do now, in one sentence.
    """
    request = Request(dict(environ))
    masker = Masker()
    is_page = "html" in environ.get("HTTP_ACCEPT", "")
    asked = f"{LOCALS_PARAMETER}=1" in request.query_string.split("&")
    _learn_request(masker, request)
    failures = read_failures(error, masker, with_values=is_page or asked)
    headline = title or f"{request.method} {masker.text(request.raw_path)} failed"
    if not is_page:
        return Response(_plain(headline, failures, advice), 500, _HEADERS, TEXT)
    page = _page(headline, failures, _request_section(request, masker), advice)
    return Response(page, 500, _HEADERS, HTML)


def _learn_request(masker: Masker, request: Request) -> None:
    for name, value in request.headers.items():
        masker.learn(name, value)
    for name, value in request.cookies.items(multi=True):
        masker.learn(f"cookie {name}", value)
    for name, value in _query(request):
        masker.learn(name, value)


def _query(request: Request) -> list[tuple[str, str]]:
    """Return the query's parameters even if they are malformed: this page must not fail because of the request."""
    return parse_qsl(request.query_string, keep_blank_values=True, errors="replace")[:100]


def _plain(headline: str, failures: Iterable[Failure], advice: str) -> str:
    lines = [headline, ""]
    for failure in failures:
        if failure.link:
            lines += ["", failure.link, ""]
        for frame in failure.frames:
            lines.append(f'  File "{frame.file}", line {frame.line}, in {frame.function or "source"}')
            lines += [f"    {line.text.strip()}" for line in frame.source if line.is_current]
            lines += [f"      {name} = {value}" for name, value in frame.values]
        lines.append(f"{failure.kind}: {failure.message}")
        lines += failure.notes
    if advice:
        lines += ["", advice]
    return "\n".join(lines) + "\n"


def _page(headline: str, failures: list[Failure], request: str, advice: str) -> str:
    last = failures[-1]
    sections = "".join(_failure(failure) for failure in reversed(failures))
    advice = f"<p class=advice>{escape(advice)}</p>" if advice else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(last.kind)}: {escape(last.message[:80])}</title><style>{_STYLE}</style></head><body>
<header><p>{escape(headline)}</p><h1>{escape(last.kind)}</h1><pre class=message>{escape(last.message)}</pre>
{"".join(f"<pre class=message>{escape(note)}</pre>" for note in last.notes)}{advice}</header>
<main>{sections}{request}</main>
<footer>Shown because debug mode is on. In production this is a plain page with a request id.</footer></body></html>
"""


def _failure(failure: Failure) -> str:
    """Return one exception, the call that raised it first, the application's calls open."""
    frames = list(reversed(failure.frames))
    open_at = next((number for number, frame in enumerate(frames) if not frame.is_library), 0)
    calls = "".join(_frame(frame, is_open=number == open_at) for number, frame in enumerate(frames))
    omitted = f"<p class=note>{failure.omitted} calls in the middle are left out.</p>" if failure.omitted else ""
    title = f"<h2>{escape(failure.kind)}: {escape(failure.message[:200])}</h2>"
    link = f"<p class=note>{escape(_BACKWARDS.get(failure.link, ''))}</p>" if failure.link else ""
    return f"<section>{title}{calls}{omitted}</section>{link}"


_BACKWARDS = {
    "That was the direct cause of:": "It was raised because of:",
    "While that was handled, this happened:": "It was raised while this was handled:",
}


def _frame(frame: Frame, *, is_open: bool) -> str:
    lines = "".join(
        f"<span{' class=now' if line.is_current else ''}><i>{line.number:>5}</i> {_marked(line)}\n</span>"
        for line in frame.source
    )
    source = f"<pre class=source>{lines}</pre>" if lines else "<p class=note>No source.</p>"
    values = ""
    if frame.values:
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in frame.values)
        values = f"<details class=values><summary>Local values</summary><dl>{rows}</dl></details>"
    kind = "library" if frame.is_library else "own"
    where = f"in <b>{escape(frame.function)}</b>" if frame.function else ""
    place = f"<summary class={kind}><code>{escape(frame.file)}:{frame.line}</code> {where}</summary>"
    return f"<details{' open' if is_open else ''}>{place}{source}{values}</details>"


def _marked(line: SourceLine) -> str:
    """Return a line whose part that failed is marked."""
    if line.marked is None:
        return escape(line.text)
    begin, end = line.marked
    before, failed, after = line.text[:begin], line.text[begin:end], line.text[end:]
    return f"{escape(before)}<mark>{escape(failed)}</mark>{escape(after)}"


def _request_section(request: Request, masker: Masker) -> str:
    rows = [("Request", f"{request.method} {request.raw_path}"), ("From", request.client_ip or "unknown")]
    rows += [(f"Query {name}", MASK if is_secret_name(name) else value) for name, value in _query(request)]
    rows += [(name, MASK if is_secret_name(name) else value) for name, value in request.headers.items()]
    rows.append(("Request id", request.id))
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(masker.text(value))}</dd>" for name, value in rows)
    return f"<section><h2>The request</h2><dl>{items}</dl></section>"


_STYLE = """
:root{color-scheme:light dark;--ink:#1d2129;--soft:#667081;--line:#dde2e9;--card:#fff;--ground:#f4f5f8;--bad:#b3261e;
--now:#fff1c9}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#98a3b3;--line:#2d3541;--card:#171c24;--ground:#0f1319;
--bad:#ff8a80;--now:#4a3d12}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
header,main,footer{max-width:72rem;margin:auto;padding:1rem 1.25rem}header{padding-top:2rem}
header p{margin:0;color:var(--soft)}h1{margin:.1rem 0;color:var(--bad);font-size:1.9rem}
h2{margin:0 0 .75rem;font-size:1.05rem;overflow-wrap:anywhere}
pre{margin:0;font:13px/1.6 ui-monospace,SFMono-Regular,Menlo,monospace}
.message{white-space:pre-wrap;overflow-wrap:anywhere;font-size:15px}
.advice{margin-top:.75rem!important;color:var(--ink)!important;border-left:3px solid var(--bad);padding-left:.75rem}
section{background:var(--card);border:1px solid var(--line);border-radius:.8rem;padding:1rem 1.25rem;margin:1rem 0}
details{border-top:1px solid var(--line);padding:.35rem 0}summary{cursor:pointer;overflow-wrap:anywhere}
summary.library{color:var(--soft)}summary.own{font-weight:600}summary code{font-weight:400;font-size:.9em}
.source{overflow-x:auto;margin:.4rem 0;padding:.5rem 0;background:var(--ground);border-radius:.5rem}
.source span{display:block;padding:0 .5rem;min-width:max-content}.source i{color:var(--soft);font-style:normal}
.now{background:var(--now)}mark{background:none;color:inherit;font-weight:700;
text-decoration:underline wavy var(--bad) 1px;text-underline-offset:4px}
details.values{border:0;padding:0 0 .35rem}.values summary{color:var(--soft);font-size:.9em}
.note{color:var(--soft);margin:.25rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.4rem 0;
font:13px/1.5 ui-monospace,monospace}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}footer{color:var(--soft);font-size:.85rem}
"""
