"""Live reload: a line at the end of every HTML page that loads a script, and the answers to that script.

The script asks once in a while which start of the server it talks to. While the server restarts, the question waits in
the kernel's queue, and the answer then reloads the page at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

ROOT = "/__wiverno_dev__/"

SCRIPT = """(() => {
  const version = document.currentScript.dataset.version;
  const look = async () => {
    try {
      const answer = await fetch("{root}version", {cache: "no-store"});
      if (answer.ok && (await answer.text()) !== version) { location.reload(); return; }
    } catch (error) { /* the server is away for a moment */ }
    setTimeout(look, 500);
  };
  setTimeout(look, 500);
})();
""".replace("{root}", ROOT)  # braces all over


def script_tag(version: str) -> bytes:
    """Return the line that is appended to every HTML document."""
    return f'\n<script src="{ROOT}live.js" data-version="{version}"></script>\n'.encode()


def extend_headers(status: str, headers: list[tuple[str, str]], tag: bytes) -> list[tuple[str, str]] | None:
    """Return the header fields of an answer to which ``tag`` is appended, or None to leave it unchanged."""
    fields = {name.lower(): value for name, value in headers}
    if not fields.get("content-type", "").lower().startswith("text/html") or "content-encoding" in fields:
        return None
    if status[:3] in ("204", "205", "206", "304"):
        return None
    changed = []
    for name, value in headers:
        if name.lower() == "content-length" and value.isdigit():
            changed.append((name, str(int(value) + len(tag))))
        elif name.lower() == "content-security-policy":
            changed.append((name, _allow_script(value)))
        elif name.lower() != "etag":
            changed.append((name, value))
    return changed


def _allow_script(policy: str) -> str:
    """Return a Content-Security-Policy that also allows the script."""
    present = {directive.split()[0].lower() for directive in policy.split(";") if directive.strip()}
    for directive in ("script-src", "connect-src"):
        if directive not in present:
            policy += f"; {directive} 'self'"
    return policy


class ExtendedBody:
    """A body with a line appended, if ``is_wanted`` is set when the headers are sent."""

    def __init__(self, body: Iterable[bytes], tag: bytes) -> None:
        self.body = body
        self._tag = tag
        self.is_wanted = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.body
        if self.is_wanted:
            yield self._tag

    def close(self) -> None:
        """Close the body (PEP 3333)."""
        close = getattr(self.body, "close", None)
        if close is not None:
            close()
