"""Options made from the settings model: one for each setting, with its meaning, unit, default and variable.

An option only collects text. The configuration loader reads it together with the file and the environment, so all
mistakes of a start are reported at once and in one form.
"""

import itertools
from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from wiverno.config.fields.field import Setting
from wiverno.config.settings import SETTINGS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHORT = {"host": "-h", "port": "-p"}
"""Short forms, documented since the first version of `wiverno run`."""


COMMON = frozenset({
    "host", "port", "listen", "unix_socket", "http2", "connection_limit", "threads", "max_threads", "request_timeout",
    "graceful_timeout", "channel_timeout", "max_request_body_size", "allowed_hosts", "trusted_proxies",
    "trusted_proxy_headers", "url_prefix", "expose_tracebacks", "access_log", "log_level", "workers", "preload",
    "max_requests", "certfile", "keyfile", "admin_listen", "pid_file", "user", "chdir", "env",
})  # fmt: skip
"""The settings that the help of `wiverno run` shows; `--help-all` shows all."""

HELP_ALL = "wiverno.help_all"  # the key in click's context

LOCAL = ("host", "port")
"""The settings whose default is RunServer's where a command listens on this machine only."""


class SettingText(click.types.StringParamType):
    """Text for a setting; the shell offers examples of it, and files where it is a path."""

    def __init__(self, setting: Setting) -> None:
        self.name = setting.type.metavar.lower()
        self.setting = setting

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Offer files where the setting is a path, else the examples of the setting's type."""
        from click.shell_completion import CompletionItem  # only the shell's Tab needs it

        if "path" in self.setting.type.accepts:
            return [CompletionItem(incomplete, type="file")]
        words = self.setting.type.examples
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]


class SettingOption(click.Option):
    """The option of one setting; `group` is its heading in help."""

    def __init__(self, setting: Setting, names: Iterable[str], *, is_local: bool = False, **kw: Any) -> None:
        self.group = setting.group
        self.setting = setting
        self.is_local = is_local
        super().__init__([setting.name, *names], default=None, required=False, **kw)

    # Made when it is shown: the texts of all settings would delay each start.
    help = property(lambda option: _help(option.setting, is_local=option.is_local), lambda option, text: None)


def _help(setting: Setting, *, is_local: bool) -> str:
    facts = [f"{setting.type.unit}"] if setting.type.unit else []
    default = str(setting.simple_default) if is_local and setting.name in LOCAL else setting.default_text
    facts += [setting.variable, f"default {default or 'none'}"]
    return f"{setting.meaning} [{'; '.join(facts)}]"


def option_for(
    setting: Setting, *, short: str | None = None, hidden: bool = False, is_local: bool = False
) -> SettingOption:  # fmt: skip
    """Return the option of a setting: `--key VALUE`, for booleans `--key` and `--no-key`, for lists repeatable.

    Args:
        setting: the setting.
        short: its short form, as -p.
        hidden: help does not show it.
        is_local: the command listens on this machine only by default.
    """
    names = [setting.option, *("--" + alias.replace("_", "-") for alias in setting.aliases)]
    if setting.type.is_flag:
        pairs = "/".join((names[0], names[0].replace("--", "--no-", 1)))
        return SettingOption(setting, [pairs], is_flag=True, hidden=hidden)
    if short:
        names.insert(0, short)
    return SettingOption(
        setting, names, type=SettingText(setting), metavar=setting.type.metavar, multiple=setting.type.is_list,
        hidden=hidden, is_local=is_local,
    )  # fmt: skip


def with_settings(
    command: click.Command, *, short: Mapping[str, str] = SHORT, without: Iterable[str] = (), shows_inert: bool = False,
    common: Container[str] | None = None,
    is_local: bool = True,
) -> None:  # fmt: skip
    """Give a command an option for every setting that a command line can set, after its own options.

    Args:
        command: the command.
        short: short forms by setting.
        without: settings whose name this command uses for another option.
        shows_inert: help also shows the settings that do nothing.
        common: the settings that `--help` shows, the others only `--help-all`; None for all.
        is_local: it listens on this machine only by default.
    """
    if common is not None and isinstance(command, SettingsCommand):
        command.common = common
        command.params.append(_help_all())
    command.params.extend(
        option_for(setting, short=short.get(name), hidden=setting.inert and not shows_inert, is_local=is_local)
        for name, setting in SETTINGS.items()
        if not setting.code_only and name not in without
    )


def _help_all() -> click.Option:
    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            ctx.meta[HELP_ALL] = True
            click.echo(ctx.get_help())
            ctx.exit()

    words = "Show this message with every setting and exit"
    return click.Option(
        ["--help-all"], is_flag=True, is_eager=True, expose_value=False, callback=show, help=words
    )  # fmt: skip


def collect_options(values: Mapping[str, Any]) -> dict[str, object]:
    """Return the settings among a command's parameters that were given, as text for the loader."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if name not in SETTINGS or value is None or value == ():
            continue
        if isinstance(value, bool):
            found[name] = "true" if value else "false"
        else:
            is_joined = isinstance(value, tuple) and not SETTINGS[name].type.is_table  # a word may hold spaces
            found[name] = " ".join(value) if is_joined else list(value) if isinstance(value, tuple) else value
    return found


class SettingsCommand(click.Command):
    """A command whose help lists the settings by group, after its own options.

    Attributes:
        common: the settings that `--help` lists; None for all.
    """

    common: Container[str] | None = None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; an option of gunicorn's is answered with what takes its place."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from wiverno.cli.foreign_options import describe_foreign  # only mistakes need it

            hint = describe_foreign(error.option_name)
            if not hint:
                raise
            raise click.UsageError(f"No such option '{error.option_name}': {hint}", ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for the command's own options and one for each group of settings."""
        # Newer versions of click give arguments a row too; this command's text describes them.
        own = [param for param in self.get_params(ctx) if isinstance(param, click.Option) and _group(param) is None]
        with formatter.section("Options"):
            formatter.write_dl([record for param in own if (record := param.get_help_record(ctx))])
        shown = [param for param in self.params if self._is_shown(param, all_of_them=HELP_ALL in ctx.meta)]
        grouped = sorted(shown, key=_group_order(shown))
        for group, params in itertools.groupby(grouped, key=_group):
            with formatter.section(str(group)):
                formatter.write_dl([record for param in params if (record := param.get_help_record(ctx))])
        left_out = self.common is not None and HELP_ALL not in ctx.meta
        if left_out:
            formatter.write_paragraph()
            formatter.write_text(
                f"Every setting of a configuration is an option, too: {ctx.command_path} --help-all lists all."
            )

    def _is_shown(self, param: click.Parameter, *, all_of_them: bool) -> bool:
        if not isinstance(param, SettingOption) or param.hidden:
            return False
        return all_of_them or self.common is None or param.setting.name in self.common


def _group(param: click.Parameter) -> str | None:
    return getattr(param, "group", None)


def _group_order(params: Iterable[click.Parameter]) -> Callable[[click.Parameter], int]:
    """Return a sort key: groups in the order of the model, settings within a group in theirs."""
    groups = list(dict.fromkeys(_group(param) for param in params))
    return lambda param: groups.index(_group(param))
