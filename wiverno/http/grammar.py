"""The ABNF of RFC 9110 and RFC 9112 as named patterns; the rule's text is above each.

Patterns work on ``str`` decoded as latin-1, so that one character is one byte. All of them are linear: no repetition
can match the same text in two ways.
"""

import re
from typing import Final

# RFC 9110 §5.6.2: token = 1*tchar
TCHAR: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
is_token: Final = re.compile(TCHAR + "+").fullmatch

# RFC 9110 §9.1: method = token. The standard methods are upper case and method names are case-sensitive; a method with
# lower-case letters is never meant, and front ends that fold case would disagree with us about it.
is_method: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Z]+").fullmatch

# RFC 9110 §5.5: field-value = *field-content; field-vchar = VCHAR / obs-text; HTAB and SP inside.
is_field_value: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch

# RFC 9112 §3.2: a request-target holds no white space and no control bytes. Bytes above 0x7f are no URI characters, but
# clients send UTF-8 unescaped, and nothing in them can be mistaken for a delimiter.
is_target: Final = re.compile(r"[\x21-\x7e\x80-\xff]+").fullmatch

# RFC 9110 §8.6: Content-Length = 1*DIGIT
is_digits: Final = re.compile(r"[0-9]+").fullmatch

# RFC 9112 §2.3: HTTP-version = HTTP-name "/" DIGIT "." DIGIT
is_version: Final = re.compile(r"HTTP/[0-9]\.[0-9]").fullmatch

# RFC 9112 §4: status-code = 3DIGIT; reason-phrase = 1*( HTAB / SP / VCHAR / obs-text ). 1xx is never a final status.
is_status: Final = re.compile(r"[2-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?").fullmatch

# RFC 9110 §7.2 and RFC 3986 §3.2: uri-host [ ":" port ]; no userinfo. reg-name = *( unreserved / pct-encoded /
# sub-delims ), to which we add the bytes of raw UTF-8 names; an IP-literal is checked further by `is_ip_literal`.
split_authority: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|\[[vV][0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:\-]+\]"
    r"|(?:[A-Za-z0-9\-._~!$&'()*+,;=\x80-\xff]|%[0-9A-Fa-f]{2})*)"
    r"(?::(?P<port>[0-9]{0,5}))?"
).fullmatch

# RFC 9112 §3.2.2: absolute-form = absolute-URI, of which an origin server serves http and https.
split_absolute: Final = re.compile(r"(?:[hH][tT][tT][pP][sS]?)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)").fullmatch

# RFC 9112 §7.1: chunk-size = 1*HEXDIG; 16 digits are more than any body may have.
# RFC 9112 §7.1.1: chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
QUOTED_STRING: Final = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
split_chunk_line: Final = re.compile(
    rf"([0-9A-Fa-f]{{1,16}})((?:[ \t]*;[ \t]*{TCHAR}+(?:[ \t]*=[ \t]*(?:{TCHAR}+|{QUOTED_STRING}))?)*)"
).fullmatch


def is_authority(text: str) -> bool:
    """Tell whether `text` is uri-host [ ":" port ] with a port that exists (RFC 9110 §7.2)."""
    match = split_authority(text)
    if match is None:
        return False
    port = match["port"]
    if port and int(port) > 65535:
        return False
    host = match["host"]
    if host.startswith("[") and host[1] not in "vV":
        return is_ipv6(host[1:-1])
    return True


def is_ipv6(text: str) -> bool:
    """Tell whether `text` is an IPv6 address as RFC 3986 §3.2.2 writes it between brackets."""
    head, gap, tail = text.partition("::")
    if "::" in tail or tail.startswith(":") or head.endswith(":"):
        return False
    groups = (head.split(":") if head else []) + (tail.split(":") if tail else [])
    count = len(groups)
    if groups and "." in groups[-1]:
        octets = groups.pop().split(".")
        if len(octets) != 4 or not all(o.isdigit() and len(o) <= 3 and int(o) <= 255 for o in octets):
            return False
        count += 1
    if not all(1 <= len(group) <= 4 and "." not in group for group in groups):
        return False
    return count <= 7 if gap else count == 8
