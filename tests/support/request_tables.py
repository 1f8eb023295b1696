"""The tables under tests/data/requests: bytes of a request and what they mean, or with what they must be refused."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parents[1] / "data" / "requests"


@dataclass(frozen=True, slots=True)
class ValidRequest:
    """A complete request and its meaning."""

    name: str
    data: bytes
    method: str = "GET"
    resource: str = "/"
    minor: int = 1
    fields: dict[str, str] = field(default_factory=lambda: {"HTTP_HOST": "a"})
    length: int = 0
    keep_alive: bool = True
    expects_continue: bool = False
    body: bytes = b""

    @property
    def head(self) -> bytes:
        """The bytes that a parser gets: no empty line in front, none behind."""
        return self.data.removeprefix(b"\r\n").partition(b"\r\n\r\n")[0]

    @property
    def payload(self) -> bytes:
        """The bytes after the head."""
        return self.data.removeprefix(b"\r\n").partition(b"\r\n\r\n")[2]


@dataclass(frozen=True, slots=True)
class InvalidRequest:
    """A request that must be refused."""

    name: str
    data: bytes
    statuses: frozenset[int]
    case: int | None


def _rows(kind: str) -> Iterator[dict[str, Any]]:
    for path in sorted((_FOLDER / kind).glob("*.toml")):
        for row in tomllib.loads(path.read_text(encoding="utf-8"))["request"]:
            yield {**row, "name": f"{path.stem}: {row['name']}"}


def valid_requests() -> list[ValidRequest]:
    """Return every request of the valid tables."""
    found = []
    for row in _rows("valid"):
        row["data"] = row.pop("bytes").encode("latin-1")
        if "continue" in row:
            row["expects_continue"] = row.pop("continue")
        if "body" in row:
            row["body"] = row["body"].encode("latin-1")
        found.append(ValidRequest(**row))
    return found


def invalid_requests(case: int | None = None) -> list[InvalidRequest]:
    """Return every request of the invalid tables, or those of one security case."""
    return [
        InvalidRequest(row["name"], row["bytes"].encode("latin-1"), frozenset(row["status"]), row.get("case"))
        for row in _rows("invalid")
        if case is None or row.get("case") == case
    ]
