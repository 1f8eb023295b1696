"""The fenced blocks of a Markdown page: language, attributes, text, line.

A fence's first word is the language; `file=NAME` after it means that the reader saves the block under that name,
`env="A=1 B=2"` gives variables that it needs to be read.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+|~~~+)(?P<info>[^\n]*)$")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    text: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """The name that the reader saves it under, or nothing."""
        return self.attributes.get("file", "")

    @property
    def variables(self) -> dict[str, str]:
        """What `env=` sets."""
        return dict(part.split("=", 1) for part in shlex.split(self.attributes.get("env", "")))


def blocks(page: str) -> Iterator[Block]:
    """Yield a page's blocks in order.

    Raises:
        ValueError: a block has no language, or no end.
    """
    lines = iter(enumerate(page.splitlines(), 1))
    for number, line in lines:
        opening = FENCE.match(line)
        if opening is None:
            continue
        language, _, rest = opening["info"].strip().partition(" ")
        if not language:
            message = f"line {number}: a block without a language"
            raise ValueError(message)
        content: list[str] = []
        for _, inner in lines:
            if inner.strip() == opening["ticks"]:
                break
            content.append(inner.removeprefix(opening["indent"]))
        else:
            message = f"line {number}: the block never ends"
            raise ValueError(message)
        attributes = {} if language.startswith("{") else dict(part.split("=", 1) for part in shlex.split(rest))
        yield Block(language, "\n".join(content) + "\n", number, attributes)


@dataclass(frozen=True)
class Command:
    """A command of a console block, and what the page says it prints."""

    text: str
    expected: tuple[str, ...]


def commands(text: str) -> list[Command]:
    """Split a console block: `$ ` begins a command, a backslash continues it, anything else is output.

    Raises:
        ValueError: it begins with output.
    """
    found: list[tuple[str, list[str]]] = []
    is_continued = False
    for line in text.splitlines():
        if is_continued:
            found[-1] = (found[-1][0] + "\n" + line.removeprefix("> "), [])
            is_continued = line.endswith("\\")
        elif line.startswith("$ "):
            found.append((line[2:], []))
            is_continued = line.endswith("\\")
        elif not found:
            message = f"output before the first command: {line!r}"
            raise ValueError(message)
        elif line.strip():
            found[-1][1].append(line)
    return [Command(command, tuple(expected)) for command, expected in found]
