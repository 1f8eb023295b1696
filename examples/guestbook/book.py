"""The entries of the guestbook: an SQLite file and three things one can do with it.

Every call opens the file, so any number of threads and processes may call at once; SQLite does the locking.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the guestbook."""

    id: int
    name: str
    message: str
    written: str


class Book:
    """The guestbook kept in one file.

    Args:
        path: the SQLite file; made if it is not there.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, name TEXT NOT NULL, message TEXT NOT NULL, "
                "written TEXT NOT NULL DEFAULT (datetime('now')))"
            )

    def write(self, name: str, message: str) -> int:
        """Add an entry and return its number."""
        with self._open() as connection:
            cursor = connection.execute("INSERT INTO entry (name, message) VALUES (?, ?)", (name, message))
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def latest(self, limit: int = 50) -> list[Entry]:
        """Return the last entries, newest first."""
        with self._open() as connection:
            rows = connection.execute("SELECT id, name, message, written FROM entry ORDER BY id DESC LIMIT ?", (limit,))
            return [Entry(*row) for row in rows]

    def find(self, number: int) -> Entry | None:
        """Return one entry, or None."""
        with self._open() as connection:
            row = connection.execute("SELECT id, name, message, written FROM entry WHERE id = ?", (number,)).fetchone()
            return Entry(*row) if row else None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=5)
        try:
            with connection:  # commit, or roll back
                yield connection
        finally:
            connection.close()
