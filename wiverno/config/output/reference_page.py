"""The settings page of the documentation, generated from the model.

    python -m wiverno.config.output.reference_page docs/settings.md            writes it
    python -m wiverno.config.output.reference_page --check docs/settings.md    status 1 if it is outdated

The same with a name that ends in .json for the JSON Schema.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from wiverno.config.fields.field import Setting
from wiverno.config.output.explain import choose_example, format_toml
from wiverno.config.output.generated_file import write_or_check
from wiverno.config.output.schema import schema_text
from wiverno.config.settings import SETTINGS

_INTRODUCTION = """\
# Settings

<!-- Written by `python -m wiverno.config.output.reference_page docs/settings.md`; `make check` checks that it
is up to date. -->

One name per setting, whatever the source. For `threads`:

| source | how it is written |
|---|---|
| command line | `--threads 16` |
| environment | `WIVERNO_THREADS=16` |
| TOML | `[server]` `threads = 16` |
| INI | `[server:main]` `threads = 16` |
| code | `serve(app, threads=16)`, `create_server(app, threads=16)` |

A higher line of the table wins over a lower one, and any of them over the default; code reads neither files nor the
environment. A file can build on another (TOML: `extends = "base.toml"`, INI: `use = config:base.ini`); its own values
win. `wiverno config explain threads` shows every source of one setting, `wiverno config show` all values with theirs.

**How values are spelled.** Booleans: `true false yes no on off 1 0`. Durations: a number of seconds, or
`500ms 30s 1m30s 2h 1d`. Sizes: bytes, or `kB MB GB` (powers of 1000) and `KiB MiB GiB` (powers of 1024); a bare `k`,
`m` or `g` is refused. Lists: a TOML array, or words between commas, spaces or line breaks. In TOML, durations and sizes
with a unit stand in quotes.

**In files** `${NAME}` stands for a variable (pserve's `name=value` arguments first, then the environment),
`${NAME:-default}` gives a default, `${file:/run/secrets/x}` is a file's text, and `$$` is a dollar sign.

**Addresses** exclude one another within one source: `host` and `port`, or `listen`, or `unix_socket`. A higher source's
replaces a lower one's. A port alone over a `listen` with one address changes only its port.
"""


def page() -> str:
    """Return the page as Markdown."""
    groups: dict[str, list[Setting]] = {}
    for entry in SETTINGS.values():
        groups.setdefault(entry.group, []).append(entry)
    parts = [_INTRODUCTION]
    for group, entries in groups.items():
        parts.append(f"\n## {group}\n")
        parts += [_section(entry) for entry in entries]
    return "\n".join(parts)


def _section(entry: Setting) -> str:
    lines = [f"### `{entry.name}`", "", entry.meaning, ""]
    lines.append(f"- accepts: {entry.type.accepts}")
    lines.append(f"- default: {_default(entry)}")
    if entry.aliases:
        lines.append("- also called: " + ", ".join(f"`{alias}`" for alias in entry.aliases))
    if entry.secret and entry.type.is_table:
        lines.append("- secret: values of names such as `API_KEY` are shown nowhere unless asked for")
    elif entry.secret:
        lines.append("- secret: shown nowhere unless asked for")
    if not entry.code_only:
        native = format_toml(entry.type.native(entry.type.read(choose_example(entry))))
        lines.append(f"- `{entry.option}`, `{entry.variable}`; for example `{entry.name} = {native}`")
    return "\n".join([*lines, ""])


def _default(entry: Setting) -> str:
    text = entry.type.text(entry.default)
    words = f"`{text}`" if text else "none"
    if entry.type.unit and entry.default and text not in (str(entry.default), f"{entry.default:g}s"):
        words += f" ({entry.default:.0f} {entry.type.unit})"
    if entry.simple_default != entry.default:
        words += f"; in mode simple `{entry.type.text(entry.simple_default)}`"
    return words


def main(arguments: Sequence[str]) -> int:
    """Write or check the files named; return the exit status."""
    command = "python -m wiverno.config.output.reference_page"
    return write_or_check(arguments, lambda name: schema_text() if name.endswith(".json") else page(), command)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
