"""The page of the command line in the documentation, generated from the commands themselves.

python -m wiverno.cli.command_page docs/commands.md            writes it
python -m wiverno.cli.command_page --check docs/commands.md    status 1 if it is outdated
"""

import inspect
import sys
from collections.abc import Iterator, Sequence

import click

from wiverno.cli.group import group
from wiverno.cli.options import SettingOption
from wiverno.config.output.generated_file import write_or_check

_INTRODUCTION = """\
# Command line

<!-- Written by `python -m wiverno.cli.command_page docs/commands.md`; `make check` checks that it is up to date. -->

Each command explains itself with `--help`. Where a table below ends with "every setting", each [setting](settings.md)
is an option too: `max_threads` is `--max-threads`; `--help-all` lists them. Exit status: 0 done, 1 failed, 2 a mistake
in the call or the configuration.

Completion: `eval "$(_WIVERNO_COMPLETE=bash_source wiverno)"` in bash, `zsh_source` in zsh,
`_WIVERNO_COMPLETE=fish_source wiverno | source` in fish.
"""


def page() -> str:
    """Return the page as Markdown."""
    sections = [_INTRODUCTION]
    context = click.Context(group, info_name="wiverno")
    for names, command, inner in _commands(group, context):
        if names:
            sections.append(_section(names, command, inner))
    return "\n".join(sections)


def _commands(
    command: click.Command, context: click.Context, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command, click.Context]]:
    """Yield a command and those below it, in the order of help."""
    yield names, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            inner = click.Context(found, info_name=name, parent=context)
            yield from _commands(found, inner, (*names, name))


def _section(names: tuple[str, ...], command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"{'#' * (len(names) + 1)} `wiverno {' '.join(names)}`", "", "```text", usage, "```", ""]
    lines += [_text(command.help or ""), ""]
    rows = [
        record
        for param in command.params
        if isinstance(param, click.Option) and not isinstance(param, SettingOption)
        and (record := param.get_help_record(context)) is not None
    ]  # fmt: skip
    if rows:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| `{_cell(option)}` | {_cell(meaning)} |" for option, meaning in rows]
        if any(isinstance(param, SettingOption) for param in command.params):
            lines.append("| every [setting](settings.md) | the value of this run |")
        lines.append("")
    return "\n".join(lines)


def _text(text: str) -> str:
    """Return a help text as Markdown: paragraphs whose lines click keeps become blocks."""
    parts = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            parts.append("```text\n" + paragraph.removeprefix("\b").strip("\n") + "\n```")
        else:
            parts.append(paragraph)
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: Sequence[str]) -> int:
    """Write or check the files named; return the exit status."""
    text = page()
    return write_or_check(arguments, lambda name: text, "python -m wiverno.cli.command_page")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
