"""Body length, persistence and expectation, decided from the variables."""

import pytest

from wiverno.http.errors import ProtocolError, WebSocketRefusedError
from wiverno.http.framing import CHUNKED, decide


@pytest.mark.parametrize(("digits", "length"), [("0", 0), ("00", 0), ("9" * 18, 10**18 - 1), ("0" * 5000 + "7", 7)])
def test_content_length(digits: str, length: int) -> None:
    """Any run of digits is a length."""
    assert decide({"CONTENT_LENGTH": digits}, 1).length == length


@pytest.mark.parametrize("digits", ["1" + "0" * 19, "9" * 5000, "9" * 10**6])
def test_astronomical_content_length(digits: str) -> None:
    """A length that no body can have is a 413, whatever int() would say of so many digits."""
    with pytest.raises(ProtocolError) as raised:
        decide({"CONTENT_LENGTH": digits}, 1)
    assert raised.value.status == 413


@pytest.mark.parametrize(
    ("coding", "status"),
    [
        ("gzip, chunked", 501),
        ("identity", 501),
        ("chunked;a=b", 501),
        ("chunked, chunked", 400),
        ("chunked, gzip, chunked", 400),
        (",chunked", 400),
        ("", 400),
        ("\x0bchunked", 400),
    ],
)
def test_transfer_encoding(coding: str, status: int) -> None:
    """Codings we do not know are a 501; what is no list of codings is a 400."""
    with pytest.raises(ProtocolError) as raised:
        decide({"HTTP_TRANSFER_ENCODING": coding}, 1)
    assert raised.value.status == status


def test_chunked_is_case_insensitive() -> None:
    """RFC 9112 §7: transfer coding names are case-insensitive."""
    assert decide({"HTTP_TRANSFER_ENCODING": "Chunked"}, 1).length == CHUNKED


@pytest.mark.parametrize("value", ["100-continue", "100-CONTINUE", "100-continue, 100-continue", " , 100-continue"])
def test_expectation(value: str) -> None:
    """The one known expectation, in any case and as often as it stands there."""
    assert decide({"HTTP_EXPECT": value}, 1).expects_continue
    assert not decide({"HTTP_EXPECT": value}, 0).expects_continue


@pytest.mark.parametrize("value", ["foo", "100-continue;x", "100", "200-ok, 100-continue"])
def test_unknown_expectation(value: str) -> None:
    """RFC 9110 §10.1.1: an expectation that can't be met is a 417."""
    with pytest.raises(ProtocolError) as raised:
        decide({"HTTP_EXPECT": value}, 1)
    assert raised.value.status == 417


HANDSHAKE = {
    "REQUEST_METHOD": "GET",
    "HTTP_CONNECTION": "keep-alive, Upgrade",
    "HTTP_UPGRADE": "WebSocket",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_websocket_handshake() -> None:
    """RFC 6455 §4.1: the opening handshake is refused with 501, before an application sees it."""
    with pytest.raises(WebSocketRefusedError) as raised:
        decide(HANDSHAKE, 1)
    assert raised.value.status == 501


@pytest.mark.parametrize(
    "change",
    [
        {"HTTP_UPGRADE": "h2c"},
        {"HTTP_UPGRADE": ""},
        {"HTTP_CONNECTION": "close"},
        {"HTTP_CONNECTION": "keep-alive"},
        {"REQUEST_METHOD": "POST"},
        {"HTTP_SEC_WEBSOCKET_KEY": None},
        {"HTTP_UPGRADE": None},
    ],
)
def test_other_upgrades_are_ignored(change: dict[str, str | None]) -> None:
    """RFC 9110 §7.8: a server may ignore Upgrade, and what is not the whole handshake is an ordinary request."""
    variables = {name: value for name, value in (HANDSHAKE | change).items() if value is not None}
    assert decide(variables, 1).length == 0


def test_upgrade_in_http_1_0_is_ignored() -> None:
    """RFC 9110 §7.8: Upgrade in an HTTP/1.0 request must be ignored."""
    assert decide(HANDSHAKE, 0).length == 0
