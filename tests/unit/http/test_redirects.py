"""Where a request on the plain port is redirected to, and which paths are ACME challenges."""

import pytest

from wiverno.http.errors import ProtocolError
from wiverno.http.redirects import challenge_token, https_location

LOCATIONS = [
    ("example.org", "/", 443, "https://example.org/"),
    ("example.org:80", "/a/b?c=d&e", 443, "https://example.org/a/b?c=d&e"),
    ("example.org:8080", "/", 8443, "https://example.org:8443/"),
    ("EXAMPLE.org.", "/", 443, "https://EXAMPLE.org./"),
    ("192.0.2.1:80", "/", 443, "https://192.0.2.1/"),
    ("[2001:db8::1]:80", "/", 443, "https://[2001:db8::1]/"),
    ("[2001:db8::1]", "/", 8443, "https://[2001:db8::1]:8443/"),
    ("a", "*", 443, "https://a"),
    ("a", "*", 8443, "https://a:8443"),
    ("a", "http://a/b?c", 443, "https://a/b?c"),
    ("a", "HTTP://a?c", 443, "https://a/?c"),
    ("a", "http://a", 443, "https://a/"),
    ("a", "//evil.example/x", 443, "https://a//evil.example/x"),
    ("a", "/%41%zz%", 443, "https://a/%41%25zz%25"),
    ("a", "/\xc3\xa9?\xff", 443, "https://a/%C3%A9?%FF"),
    ("a", '/"<>\\^`{|}', 443, "https://a/%22%3C%3E%5C%5E%60%7B%7C%7D"),
    ("a", "/a/../b//c;d@e:f", 443, "https://a/a/../b//c;d@e:f"),
    ("b\xc3\xbc", "/", 443, "https://b%C3%BC/"),
]


@pytest.mark.parametrize(("authority", "target", "port", "location"), LOCATIONS)
def test_locations(authority: str, target: str, port: int, location: str) -> None:
    """Host without its port, path and query are kept; what is no part of a URI is escaped."""
    assert https_location(authority, target, port) == location


@pytest.mark.parametrize("authority", ["", ":80", ".", "a b", "a/b", "user@a", "a\r\nSet-Cookie: x", '"'])
def test_no_host(authority: str) -> None:
    """Without a host of the grammar there is no address."""
    with pytest.raises(ProtocolError) as caught:
        https_location(authority, "/", 443)
    assert caught.value.status == 400


ROOT = "/.well-known/acme-challenge/"


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/", None),
        ("/.well-known/acme-challenge", None),
        (ROOT, ""),
        (ROOT + "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA", "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA"),
        (ROOT + "a" * 255, "a" * 255),
        (ROOT + "a" * 256, ""),
        (ROOT + "../../etc/passwd", ""),
        (ROOT + "a/b", ""),
        (ROOT + "a.b", ""),
        (ROOT + "a\x00", ""),
        (ROOT + "a\n", ""),
        (ROOT + "ä", ""),
        (ROOT + "..", ""),
    ],
)
def test_tokens(path: str, token: str | None) -> None:
    """A token has only characters of base64url, so that no name of a file leads elsewhere."""
    assert challenge_token(path) == token
