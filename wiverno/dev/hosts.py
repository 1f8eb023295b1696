"""Which Host names a server on a developer's machine answers (security case 46).

A web page from anywhere can let its own name point to 127.0.0.1 and then talk to whatever listens there (DNS
rebinding). The browser still sends the page's name as Host, so names that are not this machine's are refused. A literal
address cannot be rebound and is always right.
"""

from __future__ import annotations

from collections.abc import Iterable

from wiverno.addresses import is_rebind_proof, strip_port


class AllowedHosts:
    """Decides about Host fields.

    Args:
        names: Names that are allowed beside ``localhost``; ``".example.test"`` allows all below it, ``"*"`` for
            every name.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {name.lower().rstrip(".") for name in names if name}
        self._suffixes = tuple(name for name in self._names if name.startswith("."))

    def allows(self, host: str | None) -> bool:
        """Whether a request with this Host field is answered; one without it comes from no browser."""
        if not host or "*" in self._names:
            return True
        name = strip_port(host)
        return is_rebind_proof(name) or name in self._names or name.endswith(self._suffixes)
