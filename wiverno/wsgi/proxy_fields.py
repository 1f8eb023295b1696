"""The fields by which proxies tell of the client."""

from typing import Final

# environ key → the field's name as people write it.
FIELD_NAMES: Final = {
    "HTTP_X_FORWARDED_FOR": "X-Forwarded-For",
    "HTTP_X_FORWARDED_HOST": "X-Forwarded-Host",
    "HTTP_X_FORWARDED_PROTO": "X-Forwarded-Proto",
    "HTTP_X_FORWARDED_PORT": "X-Forwarded-Port",
    "HTTP_X_FORWARDED_BY": "X-Forwarded-By",
    "HTTP_FORWARDED": "Forwarded",
}
PROXY_KEYS: Final = frozenset(FIELD_NAMES)
