"""A click group that imports a command's module only when the command is run, or asked for its own help."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import click

from wiverno.cli.commands import COMMANDS, overview
from wiverno.loading import load

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

CONTEXT = {"help_option_names": ["--help"]}
"""`-h` is the documented short form of --host, so help has the long form only."""


class LazyGroup(click.Group):
    """A group whose commands are named in a table.

    Args:
        commands_at: command name → ("module:attribute", one line of help), in the order in which help lists them.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, tuple[str, str]], **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order."""
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in self._commands_at:
            return None
        module, _, attribute = self._commands_at[cmd_name][0].partition(":")
        command: Any = load(module, attribute)
        return cast("click.Command", command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names.

        Raises:
            click.UsageError: there is none; the message names the nearest.
        """
        name = args[0]
        if name not in self._commands_at and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches  # only mistakes need it

            near = get_close_matches(name, self._commands_at, n=1)
            ctx.fail(f"no such command {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview, which is made from the table without importing a command."""
        formatter.write(overview(ctx.command_path))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete a command's name from the table, and the group's own options."""
        from click.shell_completion import CompletionItem  # only the shell's Tab needs it

        found = [
            CompletionItem(name, help=words)
            for name, (_, words) in self._commands_at.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(cls=LazyGroup, context_settings=CONTEXT, commands_at=COMMANDS)
@click.version_option(package_name="wiverno", message="wiverno %(version)s")
def group() -> None:
    """Serve WSGI applications."""
