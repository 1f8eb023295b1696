"""A loaded configuration as text: each value and its source, for people (`show`, `explain`) and for machines.

Secrets are masked, and a value that came from `${…}` is given as it was written, unless the caller asks for the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wiverno.config.errors import BadValue, ConfigError, Origin
from wiverno.config.fields.field import Setting
from wiverno.config.formats.document import AppSpec
from wiverno.config.formats.interpolation import escape, is_expandable
from wiverno.config.loader import LoadedConfig
from wiverno.config.settings import ALIASES, SETTINGS, unknown_setting
from wiverno.redaction import MASK, is_secret_setting


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of a configuration: its value, where that was written, and which values it overrides.

    Texts are spelled as in TOML; `value` is the normalised value, in seconds and bytes, or the text shown instead.
    `overridden` has (value, origin) from the next lower source to the default. `replaced_by` names the setting of a
    higher source that excludes this one, such as port for listen. `entries` are a table's, each with its origin.
    """

    name: str
    format_value: str
    origin_text: str
    overridden: tuple[tuple[str, str], ...] = ()
    is_default: bool = False
    group: str = ""
    replaced_by: str = ""
    value: object = None
    entries: tuple[tuple[str, str], ...] = ()

    def line(self) -> str:
        """Return `port = 9000   # option --port; overrides 8000 from good.toml:2`."""
        overridden = ", ".join(f"{value} from {origin}" for value, origin in self.overridden if origin != "default")
        if self.replaced_by:
            comment = f"{self.replaced_by} replaces {overridden}"
        else:
            comment = self.origin_text + (f"; overrides {overridden}" if overridden else "")
        return f"{self.name} = {self.format_value}   # {comment}"

    def to_dict(self) -> dict[str, object]:
        """Return the row for machines."""
        overridden = [{"value": value, "origin": origin} for value, origin in self.overridden]
        return {
            "name": self.name,
            "value": self.value,
            "text": self.format_value,
            "origin": self.origin_text,
            "overridden": overridden,
            "replaced_by": self.replaced_by or None,
        } | ({"entries": dict(self.entries)} if self.entries else {})


def describe(loaded: LoadedConfig, reveal: bool = False, *, everything: bool = True) -> list[Row]:
    """Return a row for each setting, then for the application's and its middleware's.

    Args:
        loaded: the configuration.
        reveal: show secrets and the values behind `${…}`.
        everything: also settings that no source sets.
    """
    rows = [_make_row(loaded, entry, reveal) for entry in SETTINGS.values() if not entry.code_only and not entry.inert]
    rows = [row for row in rows if everything or not row.is_default or row.overridden or row.replaced_by]
    for label, spec in _list_specs(loaded):
        rows += _spec_rows(label, spec, reveal)
    return rows


def _make_row(loaded: LoadedConfig, entry: Setting, reveal: bool) -> Row:
    (raw, origin), *lower_values = loaded.origins[entry.name]
    # The effective value, not the raw one: a default can follow from other settings (trusted_proxy_headers).
    value = getattr(loaded.adjustments, entry.name)
    as_written = _is_shown_as_written(raw, origin) and not reveal
    if entry.type.is_table:
        table = _shown_table(loaded, entry, reveal)
        entries = tuple((key, str(place)) for key, (_, place) in table.items())
        shown = {key: text for key, (text, _) in table.items()}
        is_default, lower = origin.kind == "default", [place for _, place in lower_values if place.kind != "default"]
        words = f"{origin} and {', '.join(map(str, lower))}" if lower else str(origin)
        return Row(entry.name, format_toml(shown), words, (), is_default, entry.group, "", shown, entries)
    text = format_value(entry, raw if as_written else value, reveal)
    overridden = tuple((format_value(entry, lower, reveal), str(place)) for lower, place in lower_values)
    data: object = value
    if entry.secret and not reveal:
        data = MASK
    elif as_written:
        data = raw
    elif entry.type.is_list:
        data = entry.type.native(value)
    is_default, replaced_by = origin.kind == "default", loaded.replaced.get(entry.name, "")
    return Row(entry.name, text, str(origin), overridden, is_default, entry.group, replaced_by, data)


def _shown_table(loaded: LoadedConfig, entry: Setting, reveal: bool) -> dict[str, tuple[str, Origin]]:
    """Return the entries of a table from all sources with their places; secrets and `${…}` as they may be shown."""
    found: dict[str, tuple[str, Origin]] = {}
    value = getattr(loaded.adjustments, entry.name)
    for raw, origin in reversed(loaded.origins[entry.name]):
        try:
            written: Mapping[str, Any] = raw if isinstance(raw, Mapping) else entry.type.read(raw)
        except BadValue:  # text whose ${…} changes what it says
            written = {}
        for key, text in written.items():
            hidden = entry.secret and is_secret_setting(key, text)
            shown = value.get(key, "") if reveal or not is_expandable(text) else text
            found[key] = (MASK if hidden and not reveal else str(shown), origin.of_item(key))
    return found


def _is_shown_as_written(raw: object, origin: Origin) -> bool:
    parts = raw if isinstance(raw, list) else [raw]
    return origin.kind == "file" and any(is_expandable(part) for part in parts)


def format_value(entry: Setting, value: object, reveal: bool = False) -> str:
    """Return a value of a setting, normalised or as written, spelled as in TOML."""
    if entry.secret and not reveal:
        return MASK
    try:
        return format_toml(entry.type.native(value if not isinstance(value, str) else entry.type.read(value)))
    except (ValueError, TypeError, AttributeError):
        # As it was written: with ${…}, or a value that its setting does not accept.
        return format_toml(value)


def format_toml(value: object) -> str:
    """Return one value as TOML writes it, in one line."""
    import tomli_w

    if isinstance(value, list | tuple):
        return "[" + ", ".join(format_toml(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_format_key(key)} = {format_toml(item)}" for key, item in value.items()) + "}"
    if value is None:
        return '""'
    return tomli_w.dumps({"v": value}).removeprefix("v = ").rstrip("\n")


def _format_key(key: str) -> str:
    import tomli_w

    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def _list_specs(loaded: LoadedConfig) -> list[tuple[str, AppSpec]]:
    named = [("app", loaded.app)] if loaded.app is not None else []
    return [*named, *((f"middleware[{number}]", spec) for number, spec in enumerate(loaded.middleware))]


def _spec_rows(label: str, spec: AppSpec, reveal: bool) -> list[Row]:
    rows = [Row(f"{label}.use", format_toml(spec.use), str(spec.origin), group="Application", value=spec.use)]
    if spec.factory:
        rows.append(Row(f"{label}.factory", "true", str(spec.origin), group="Application", value=True))
    shown = spec.settings if reveal or not spec.raw_settings else spec.raw_settings
    for name, value in _list_leaves(shown):
        hidden = is_secret_setting(name, value) and not reveal
        origin = str(spec.places.get(name, spec.origin))
        text, data = (MASK, MASK) if hidden else (format_toml(value), value)
        rows.append(Row(f"{label}.settings.{name}", text, origin, group="Application", value=data))
    return rows


def _list_leaves(table: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            found += _list_leaves(value, f"{before}{key}.")
        else:
            found.append((before + key, value))
    return found


def to_text(loaded: LoadedConfig, reveal: bool = False, *, everything: bool = False) -> str:
    """Return the configuration as aligned lines under their groups."""
    return "\n".join(row.line() for row in describe(loaded, reveal, everything=everything))


def to_data(loaded: LoadedConfig, reveal: bool = False, *, everything: bool = False) -> dict[str, object]:
    """Return the configuration for machines (`--format json`)."""
    return {
        "files": [str(path) for path in loaded.files],
        "server": None if loaded.is_own_server else loaded.server_use,
        "settings": [row.to_dict() for row in describe(loaded, reveal, everything=everything)],
        "warnings": list(loaded.warnings),
    }


def to_toml(loaded: LoadedConfig, reveal: bool = False, *, everything: bool = False) -> str:
    """Return the configuration as one TOML file that stands alone, each value's origin behind it.

    With masked values it is for reading only: the mask is no value.
    """
    rows = describe(loaded, reveal, everything=everything)
    lines = ["[server]"]
    for row in rows:
        if row.group != "Application" or row.name in SETTINGS:
            value = row.format_value
            if isinstance(row.value, str):
                # A value that was not written as ${…} must not be taken for one when the text is read as a file.
                plain = row.value == getattr(loaded.adjustments, row.name) and row.value is not MASK
                value = format_toml(escape(row.value) if plain else row.value)
            # An explicit default could contradict another setting, so defaults are comments.
            lines.append(("# " if row.is_default else "") + f"{row.name} = {value}   # {row.origin_text}")
    for label, spec in _list_specs(loaded):
        lines += ["", "[app]" if label == "app" else "[[middleware]]"]
        lines += _spec_lines(label, spec, reveal)
    return "\n".join(lines) + "\n"


def _spec_lines(label: str, spec: AppSpec, reveal: bool) -> list[str]:
    result = []
    for row in _spec_rows(label, spec, reveal):
        head, _, rest = row.name.removeprefix(f"{label}.").partition(".")
        # A value that is shown expanded must not be expanded again when the text is read as a file.
        value = format_toml(escape(row.value) if reveal and isinstance(row.value, str) else row.value)
        dotted = f"{head}.{'.'.join(_format_key(part) for part in rest.split('.'))}" if rest else head
        result.append(f"{dotted} = {value}   # {row.origin_text}")
    return result


@dataclass(frozen=True, slots=True)
class Explanation:
    """One setting in one configuration: meaning, value, sources, and how to set it."""

    entry: Setting
    row: Row

    def text(self) -> str:
        """Return the explanation for a person."""
        entry, row = self.entry, self.row
        value_type = entry.type
        lines = [entry.name, f"  {entry.meaning}", ""]
        if entry.inert:
            lines += ["  accepted for compatibility; it does nothing", ""]
        facts = [("accepts", value_type.accepts), ("unit", value_type.unit), ("default", entry.default_text)]
        facts += [("also", ", ".join(entry.aliases))]
        lines += [f"  {name:9} {text}" for name, text in facts if text]
        lines += ["", f"  value     {row.format_value}   ({row.origin_text})"]
        if row.replaced_by:
            lines.append(f"  replaced  by {row.replaced_by}")
        lower = [] if row.is_default else row.overridden
        lines += [f"  overrides {value}   ({origin})" for value, origin in lower]
        lines += [f"    {key:20} {origin}" for key, origin in row.entries]
        lines += ["", "  to set it, highest first:"]
        lines += [f"    {source:12} {example}" for source, example in self.examples()]
        return "\n".join(lines)

    def examples(self) -> list[tuple[str, str]]:
        """Return how each source sets it, as (source, what to write)."""
        entry = self.entry
        value = choose_example(entry)
        if entry.code_only:
            return [("code", f"serve(app, {entry.name}=…)")]
        option = f"{entry.option} {value}"
        if entry.type.is_flag:
            option = entry.option if value == "true" else "--no-" + entry.option.removeprefix("--")
        native = format_toml(entry.type.native(entry.type.read(value)))
        if entry.type.array:
            return _table_examples(entry, value)
        return [
            ("option", option),
            ("environment", f"{entry.variable}={value}"),
            ("TOML", f"[server] {entry.name} = {native}"),
            ("INI", f"[server:main] {entry.name} = {value}"),
            ("code", f"serve(app, {entry.name}={_format_python(entry, value, native)})"),
        ]

    def to_dict(self) -> dict[str, object]:
        """Return the explanation for machines."""
        entry = self.entry
        return self.row.to_dict() | {
            "meaning": entry.meaning,
            "accepts": entry.type.accepts,
            "unit": entry.type.unit or None,
            "default": entry.default_text,
            "aliases": list(entry.aliases),
            "examples": dict(self.examples()),
        }


def _table_examples(entry: Setting, text: str) -> list[tuple[str, str]]:
    """Return how each source sets a setting that tables give."""
    native = format_toml(entry.type.native(entry.type.read(text)))
    return [
        ("option", f"{entry.option} {text}"),
        ("environment", f"{entry.variable}={text}"),
        ("TOML", f"[server] {entry.name} = {native}   # or a table [[{entry.type.array}]] with these keys"),
        ("INI", f"[server:main] {entry.type.array}.NAME = {text}"),
        ("code", f'serve(app, {entry.name}="{text}")'),
    ]


def explain(loaded: LoadedConfig, name: str, reveal: bool = False) -> Explanation:
    """Return everything about one setting; its name may be spelled as option, variable or alias.

    Raises:
        ConfigError: there is no such setting.
    """
    plain = name.strip().lstrip("-").replace("-", "_").lower().removeprefix("wiverno_")
    key = ALIASES.get(plain, plain)
    if key not in SETTINGS:
        raise ConfigError([unknown_setting(plain, Origin("keyword", text=name))])
    return Explanation(SETTINGS[key], _make_row(loaded, SETTINGS[key], reveal))


def choose_example(entry: Setting) -> str:
    """Return a value worth showing as an example, as text: one that is not the default, where there is one."""
    default = entry.type.text(entry.default)
    if entry.type.unit and entry.default:
        return entry.type.text(entry.default * 2)
    if not entry.type.examples and isinstance(entry.default, int):
        return entry.type.text(entry.default * 2 or 100)
    return next((text for text in entry.type.examples if text != default), default)


def _format_python(entry: Setting, value: str, native: str) -> str:
    if entry.type.is_table:
        return repr(dict(entry.type.read(value)))
    return {"true": "True", "false": "False"}.get(native, native)
