"""Which Host names a server on a developer's machine answers (security case 46).

A web page from anywhere can let its own name point to 127.0.0.1 and then talk to whatever listens there (DNS
rebinding). The browser still sends the page's name as Host, so names that are not this machine's are refused. A literal
address cannot be rebound and is always right. The list of further names is read and compared as `allowed_hosts` is.
"""

from __future__ import annotations

from collections.abc import Iterable

from wiverno.addresses import is_ip_address, is_rebind_proof, strip_port
from wiverno.http import hosts


class AllowedHosts:
    """Decides about Host fields.

    Args:
        names: Hosts that are allowed beside ``localhost``; ``"*.example.test"``, or ``".example.test"``, allows all
            below it, ``"*"`` every name.

    Raises:
        ValueError: One of them is no host.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        listed = (name for name in names if name and not is_ip_address(name))
        self._listed = hosts.AllowedHosts("*" + name if name.startswith(".") else name for name in listed)

    def allows(self, host: str | None) -> bool:
        """Whether a request with this Host field is answered; one without it comes from no browser."""
        return not host or is_rebind_proof(strip_port(host)) or self._listed.allows(host)
