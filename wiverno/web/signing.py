"""Signed texts: what a browser keeps or a link carries, and only who knows the secret can make. They need no storage.

itsdangerous does the cryptography (HMAC with SHA-256). It is an extra (``wiverno[sessions]``) and is imported when the
first ``Signer`` is made. A signed text is not secret: everyone can read it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from itsdangerous import URLSafeTimedSerializer

Secrets: TypeAlias = str | bytes | Sequence[str | bytes]

SHORTEST_SECRET: Final = 16
"""Bytes."""


class Signer:
    """Signs values and reads what it has signed.

    Args:
        secrets: The secret, or several of them, the newest first: the first one signs, all are tried when a text is
            read. So a new secret can be put before the old one, and the old one removed when its texts are too old.
        purpose: A text signed for one purpose is not valid for another one.

    Raises:
        ImportError: itsdangerous is not installed; the message says how to get it.
        TypeError: a secret is neither text nor bytes.
        ValueError: a secret is shorter than 16 bytes, or there is none.
    """

    def __init__(self, secrets: Secrets, purpose: str = "wiverno.signer") -> None:
        keys = _check_secrets(secrets)
        try:
            from itsdangerous import URLSafeTimedSerializer
        except ImportError as error:
            raise ImportError("signed cookies need itsdangerous: pip install 'wiverno[sessions]>=2'") from error
        self._serializer: URLSafeTimedSerializer = URLSafeTimedSerializer(
            list(reversed(keys)),  # itsdangerous signs with the last one
            salt=purpose,
            serializer=_CompactJSON,
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def sign(self, value: Any) -> str:
        """Return a value that JSON can hold as signed text of letters, digits, ``-``, ``_`` and ``.``.

        Raises:
            TypeError, ValueError: JSON cannot hold it.
        """
        text: str | bytes = self._serializer.dumps(value)
        return text if isinstance(text, str) else text.decode()

    def read(self, text: str | None, max_age: int | None = None) -> Any:
        """Return the value of a signed text, or None if it is not valid.

        Args:
            text: What ``sign`` returned, or what a client claims that it did.
            max_age: How many seconds ago it may have been signed; None for any time.
        """
        from itsdangerous import BadData

        if not text:
            return None
        try:
            return self._serializer.loads(text, max_age=max_age)
        except (BadData, ValueError, RecursionError):
            return None


class _CompactJSON:
    """JSON without spaces; NaN is an error (RFC 8259 §6)."""

    @staticmethod
    def loads(text: str | bytes) -> Any:
        return json.loads(text)

    @staticmethod
    def dumps(value: Any) -> str:
        return compact_json(value)


def compact_json(value: Any) -> str:
    """Return a value as JSON without spaces, of ASCII characters."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _check_secrets(secrets: Secrets) -> list[bytes]:
    given = list(secrets) if isinstance(secrets, Sequence) and not isinstance(secrets, str | bytes) else [secrets]
    for secret in given:
        if not isinstance(secret, str | bytes):
            hint = "; is its environment variable set?" if secret is None else ""
            raise TypeError(f"a secret is text or bytes, not {type(secret).__name__}{hint}")
    keys = [secret.encode() if isinstance(secret, str) else secret for secret in given]
    if not keys or any(len(key) < SHORTEST_SECRET for key in keys):
        what = "there is none" if not keys or not all(keys) else "one is shorter"
        raise ValueError(
            f"a secret has at least {SHORTEST_SECRET} bytes, and {what}; "
            "make one with: python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return keys
