"""Names in certificates as text: RFC 4514's own examples, and names that try to be read as others."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiverno.core.net.peer_name import distinguished_name

# From the root to the client, as the ssl module gives them → text. The first ones are RFC 4514 §4's.
NAMES = {
    "UID=jsmith,DC=example,DC=net": [
        [("domainComponent", "net")], [("domainComponent", "example")], [("userId", "jsmith")],
    ],
    "OU=Sales+CN=J.  Smith,DC=example,DC=net": [
        [("domainComponent", "net")], [("domainComponent", "example")],
        [("organizationalUnitName", "Sales"), ("commonName", "J.  Smith")],
    ],
    r"CN=James \"Jim\" Smith\, III,DC=example,DC=net": [
        [("domainComponent", "net")], [("domainComponent", "example")], [("commonName", 'James "Jim" Smith, III')],
    ],
    r"CN=Before\0DAfter,DC=net": [[("domainComponent", "net")], [("commonName", "Before\rAfter")]],
    r"CN=Lu\C4\8Di\C4\87": [[("commonName", "Lu\u010di\u0107")]],
    r"CN=mallory\,organizationName=Admin": [[("commonName", "mallory,organizationName=Admin")]],
    r"CN=mallory\+O=Admin": [[("commonName", "mallory+O=Admin")]],
    r"CN=\#1 \; \<x\> \\": [[("commonName", "#1 ; <x> \\")]],
    r"CN=\ two \ ": [[("commonName", " two  ")]],
    r"CN=\ ": [[("commonName", " ")]],
    r"CN=a\00b\0A": [[("commonName", "a\0b\n")]],
    "emailAddress=a@b.example,1.2.3.4=x": [[("1.2.3.4", "x")], [("emailAddress", "a@b.example")]],
    "": [],
}  # fmt: skip


@pytest.mark.parametrize("text", NAMES)
def test_names(text: str) -> None:
    assert distinguished_name(NAMES[text]) == text


def read(text: str) -> list[list[tuple[str, str]]]:
    """Take a name apart as a reader of RFC 4514 does."""
    found = []
    for part in re.findall(r"(?:[^\\,]|\\.)+", text):
        pairs = []
        for pair in re.findall(r"(?:[^\\+]|\\.)+", part):
            kind, _, value = pair.partition("=")
            raw = re.sub(
                rb"\\([0-9A-F]{2})|\\(.)",
                lambda match: bytes.fromhex(match[1].decode()) if match[1] else match[2],
                value.encode(),
            )
            pairs.append((kind, raw.decode()))
        found.append(pairs)
    return found[::-1]


texts = st.text(st.one_of(st.sampled_from(' ,+="\\<>;#\0'), st.characters(exclude_categories=["Cs"])), min_size=1)


@given(st.lists(st.lists(st.tuples(st.sampled_from(["CN", "O", "DC"]), texts), min_size=1, max_size=3), min_size=1))
def test_a_name_is_read_as_it_is(name: list[list[tuple[str, str]]]) -> None:
    """Whatever the values hold, a reader finds the same parts; and the text is printable ASCII."""
    text = distinguished_name(name)
    assert text.isascii()
    assert text.isprintable()
    assert read(text) == name
