"""The demonstration page as HTML: one document, no script, nothing loaded from elsewhere. Every value is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

from wiverno.demo.facts import Facts, SettingRow

UrlFor = Callable[..., str]

_NEXT = (
    ("wiverno init shop", "a new project: application, configuration, tests"),
    ("wiverno run dev", "serve it while you write it; it restarts when you save"),
    ("wiverno config explain port", "where one value comes from, and what it overrode"),
    ("wiverno config check", "every mistake in the configuration at once, before anything starts"),
    ("wiverno run --config configs/production.toml", "the way to production"),
)


def overview(title: str, facts: Facts, url_for: UrlFor) -> str:
    """Return the whole page."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{_STYLE}</style></head>
<body><header><p class="mark" aria-hidden="true">w</p><div><h1>{escape(title)}</h1>
<p>One configuration, one process. The thread named below made this page.</p></div></header>
<main>
<section><h2>What serves this page</h2>{_definitions(facts.server)}</section>
<section><h2>Try it</h2>{_playground(url_for)}</section>
<section class="wide"><h2>Effective settings</h2><p>{escape(facts.source)}</p>{_settings(facts.settings)}</section>
{_application(facts.application)}
<section class="wide"><h2>What to do next</h2>{_next_steps()}</section>
</main>
<footer>Every value on this page has an origin. <code>wiverno config show</code> prints the same list.</footer>
</body></html>
"""


def _definitions(rows: Iterable[tuple[str, str]]) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f"<dl>{items}</dl>"


def _playground(url_for: UrlFor) -> str:
    links = (
        (url_for("play.hello", name="you"), "a route with a parameter"),
        (url_for("play.echo", color="green"), "what your browser sent, as JSON"),
        (url_for("play.slow", seconds=2), "blocks one thread for two seconds; reload this page meanwhile"),
        (url_for("play.stream", lines=20), "twenty lines, streamed as they are made"),
        (url_for("play.zeros", size=1_000_000), "a million bytes that were never in memory together"),
        (url_for("play.error"), "an exception: a page and a log line with the same request id"),
        (url_for("healthz"), "for a load balancer"),
    )
    items = "".join(
        f'<li><a href="{escape(link)}"><code>{escape(link)}</code></a> {escape(text)}</li>' for link, text in links
    )
    return f"<ul>{items}</ul>"


def _settings(rows: list[SettingRow] | None) -> str:
    if rows is None:
        return "<p>The settings are those given to <code>serve()</code> or <code>RunServer()</code>.</p>"
    own = [row for row in rows if not row.is_default]
    usual = [row for row in rows if row.is_default]
    text = _table(own) if own else "<p>Nothing was set; every value is a default.</p>"
    return text + f"<details><summary>{len(usual)} settings at their defaults</summary>{_table(usual)}</details>"


def _table(rows: Iterable[SettingRow]) -> str:
    cells = "".join(
        f'<tr title="{escape(row.meaning)}"><th scope="row"><code>{escape(row.name)}</code></th>'
        f"<td><code>{escape(row.value)}</code></td><td>{escape(row.origin)}</td></tr>"
        for row in rows
    )
    head = "<thead><tr><th>setting</th><th>value</th><th>origin</th></tr></thead>"
    return f'<div class="scroll"><table>{head}<tbody>{cells}</tbody></table></div>'


def _application(rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    return f'<section class="wide"><h2>The application’s settings</h2>{_definitions(rows)}</section>'


def _next_steps() -> str:
    items = "".join(f"<li><code>{escape(command)}</code><br>{escape(text)}</li>" for command, text in _NEXT)
    return f'<ol class="next">{items}</ol>'


_STYLE = """
:root{color-scheme:light dark;
--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--card:#fff;--ground:#f3f5f8;--accent:#0b7a75}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf3;--soft:#9aa7b6;--line:#2c3643;--card:#171d26;--ground:#0f141b;
--accent:#4fd1c5}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
header,main,footer{max-width:68rem;margin:auto;padding:1.25rem}
header{display:flex;gap:1.25rem;align-items:center;padding-top:2.5rem}
header p{margin:.25rem 0 0;color:var(--soft)}
.mark{flex:none;width:4rem;height:4rem;border-radius:1rem;
margin:0;display:grid;place-items:center;
background:var(--accent);color:var(--ground);font:700 2.4rem/1 ui-serif,Georgia,serif}
h1{margin:0;font-size:1.8rem;line-height:1.2}h2{margin:0 0 .75rem;font-size:1.05rem}
main{display:grid;gap:1.25rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr))}
section{background:var(--card);border:1px solid var(--line);border-radius:.9rem;padding:1.25rem;min-width:0}
.wide{grid-column:1/-1}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
ul,ol{margin:0;padding-left:1.1rem}li{margin:.35rem 0}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,monospace;overflow-wrap:anywhere}
a{color:var(--accent)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.93rem}
th,td{text-align:left;padding:.35rem .75rem .35rem 0;
border-bottom:1px solid var(--line);vertical-align:top;font-weight:400}
thead th{color:var(--soft)}
summary{cursor:pointer;margin-top:.75rem;color:var(--accent)}
.next{display:grid;gap:.5rem 1.5rem;padding-left:1.2rem;
grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr))}
footer{color:var(--soft);font-size:.9rem;padding-bottom:3rem}
"""
