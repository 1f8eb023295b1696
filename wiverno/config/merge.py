"""Merging of layers: which values are effective, which are overridden, and the place of a problem with a value.

A setting of a higher layer overrides the same setting below. Addresses override one another across names: host or port
in a higher layer overrides listen in a lower one, and the reverse, because only one of them can be meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from wiverno.config.errors import BadValue, Origin, Problem
from wiverno.config.fields.units import read_address, read_words
from wiverno.config.formats.document import Expander, Layer
from wiverno.config.formats.mount_keys import gather_mounts
from wiverno.config.settings import ALIASES, SETTINGS, TcpAddress, unknown_setting
from wiverno.config.validation import LISTENING

_REFERENCE = re.compile(r"\$\{[^}]*\}")
_PASTE_KEYS = ("use", "paste.server_factory", "paste.server_runner")


class Entry(NamedTuple):
    """One value of one setting in one layer: the name as it is spelled there, the value as written, its place."""

    spelled: str
    raw: object
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Merged:
    """All layers in one: `chains` has every entry of a setting, highest first; `winners` the effective ones."""

    chains: Mapping[str, tuple[Entry, ...]]
    winners: Mapping[str, Entry]
    replaced: Mapping[str, str] = field(default_factory=dict)


def take_use(found: Sequence[Layer]) -> tuple[list[Layer], tuple[object, Origin] | None]:
    """Return the layers without the keys that name the server, and the nearest of these."""
    named = next((layer[key] for layer in found for key in _PASTE_KEYS if key in layer), None)
    return [{name: entry for name, entry in layer.items() if name not in _PASTE_KEYS} for layer in found], named


def merge_layers(stack: Sequence[Layer], problems: list[Problem]) -> Merged:
    """Return the layers merged, highest first; unknown and duplicate names become problems."""
    chains: dict[str, list[Entry]] = {}
    given: list[dict[str, Entry]] = []
    for layer in stack:
        entries: dict[str, Entry] = {}
        for spelled, (raw, origin) in gather_mounts(layer, problems).items():
            name = ALIASES.get(spelled, spelled)
            if name not in SETTINGS or SETTINGS[name].code_only:
                problems.append(_unknown_problem(spelled, name, origin))
            elif name in entries:
                other = entries[name]
                message = f"is the same setting as {other.spelled} in {other.origin}"
                problems.append(Problem(message, origin, spelled, about="key"))
            else:
                entries[name] = Entry(spelled, raw, origin)
                chains.setdefault(name, []).append(entries[name])
        given.append(entries)
    replaced = _find_replaced_addresses(given)
    winners = {name: chain[0] for name, chain in chains.items() if name not in replaced}
    kept = _complete_address(given, winners, replaced)
    if kept is not None:
        winners[kept.spelled] = kept
        chains.setdefault(kept.spelled, []).insert(0, kept)
    return Merged({name: tuple(chain) for name, chain in chains.items()}, winners, replaced)


def _unknown_problem(spelled: str, name: str, origin: Origin) -> Problem:
    if name not in SETTINGS:
        return unknown_setting(spelled, origin)
    return Problem("can only be given in code", origin, spelled, about="key", hint=SETTINGS[name].meaning)


def _find_replaced_addresses(given: Sequence[Mapping[str, Entry]]) -> dict[str, str]:
    """Return the address settings that a higher layer's address overrides, each with the setting that does so."""
    winning: tuple[str, ...] | None = None
    by = ""
    replaced: dict[str, str] = {}
    for entries in given:
        used = [group for group in LISTENING if any(name in entries for name in group)]
        if winning is None:
            if used:
                # Several in the same layer exclude one another; the model's rules report that.
                winning = tuple(name for group in used for name in group)
                first = next(name for name in winning if name in entries)
                by = f"{entries[first].spelled} ({entries[first].origin})"
            continue
        replaced |= {name: by for group in used for name in group if name in entries and name not in winning}
    return replaced


def _complete_address(
    given: Sequence[Mapping[str, Entry]], winners: Mapping[str, Entry], replaced: Mapping[str, str]
) -> Entry | None:
    """Return the host of a lower layer's listen if only a port overrides it; its port if only a host does.

    So a port alone changes only the port of a listen with one address. Otherwise `WIVERNO_PORT=9000`
    over `listen = ["127.0.0.1:8000"]` would open the server to the world.
    """
    if "listen" not in replaced or ("host" in winners) == ("port" in winners):
        return None
    entry = next(entries["listen"] for entries in given if "listen" in entries)
    words = entry.raw if isinstance(entry.raw, list) else read_words(str(entry.raw))
    missing = "port" if "host" in winners else "host"
    if len(words) != 1 or not isinstance(words[0], str):
        return None
    # The value of ${…} is not known yet; a digit in its place shows which part it belongs to.
    shape = _REFERENCE.sub("0", words[0])
    try:
        address = read_address(shape)
    except BadValue:
        return None
    host = shape.rpartition(":")[0] or shape
    if isinstance(address, TcpAddress) and words[0].startswith(host):
        value: object = (address.host or "*") if missing == "host" else words[0][len(host) + 1 :]
        return Entry(missing, value, entry.origin) if value else None
    return None


def expand_entry(entry: Entry, expander: Expander) -> Any:
    """Return an entry's value with `${…}` expanded; options and the environment have no such references."""
    if entry.origin.kind in ("option", "environment"):
        return entry.raw
    items = entry.raw if isinstance(entry.raw, list) else []

    def origin_of(*path: str | int) -> Origin:
        part = path[1] if len(path) > 1 else None
        if part is None:
            return entry.origin
        return entry.origin.of_item(items[part] if isinstance(part, int) else part)

    return expander.tree(entry.raw, (entry.spelled,), origin_of)


def merge_table(name: str, chain: Sequence[Entry], expander: Expander) -> dict[str, str]:
    """Return a setting that is a table, with the entries of all its sources; a higher source's entry wins.

    Args:
        name: the setting.
        chain: its values, highest first.
        expander: expands them; gets the problems of all.
    """
    found: dict[str, str] = {}
    for entry in reversed(chain):
        before = len(expander.problems)
        value = expand_entry(entry, expander)
        if len(expander.problems) > before:
            continue
        try:
            found |= SETTINGS[name].type.read(value)
        except BadValue as error:
            problem = Problem(error.message, key=name, hint=error.hint, part=error.part, secret=SETTINGS[name].secret)
            expander.problems.append(locate_at(problem, entry))
    return found


def locate(problem: Problem, merged: Merged) -> Problem:
    """Return a problem of the model with the place and the spelling of its value."""
    entry = merged.winners.get(ALIASES.get(problem.key, problem.key))
    return problem if entry is None else locate_at(problem, entry)


def locate_at(problem: Problem, entry: Entry) -> Problem:
    """Return a problem with the place and the spelling of an entry, and with a hint that fits the file's format."""
    value = None if problem.value is None else entry.raw
    hint = problem.hint or _ini_hint(entry)
    # The value is shown as written, not as ${…} expands it.
    part = problem.part if problem.part is not None and str(problem.part) in str(entry.raw) else None
    origin = entry.origin if part is None else entry.origin.of_item(part)
    if problem.item:
        origin = entry.origin.of_place(problem.item)
    return replace(problem, key=entry.spelled, origin=origin, value=value, hint=hint, part=part)


def _ini_hint(entry: Entry) -> str | None:
    """Return a hint if an INI value contains what was probably meant as a comment, or is quoted."""
    file, raw = entry.origin.file or "", entry.raw
    if not file.endswith(".ini") or not isinstance(raw, str):
        return None
    if has_inline_comment(raw):
        return "INI files have no comments after a value: put it on another line"
    if len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "\"'":
        return f"in INI files quotes belong to the value: write {raw[1:-1]}"
    return None


def has_inline_comment(text: str) -> bool:
    """Return whether an INI value contains what was probably meant as a comment."""
    return " ;" in text or " #" in text or "\t;" in text or "\t#" in text
