"""Huffman-coded strings, against the library's coder and RFC 7541's examples."""

import random

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from wiverno.http2.huffman import HuffmanError, decode_huffman

encode = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode


@pytest.mark.parametrize(
    ("coded", "text"),
    [
        ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
        ("a8eb10649cbf", "no-cache"),
        ("25a849e95ba97d7f", "custom-key"),
        ("d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("", ""),
    ],
)
def test_examples(coded: str, text: str) -> None:
    """The examples of RFC 7541, appendix C."""
    assert decode_huffman(bytes.fromhex(coded)) == text


def test_every_byte_and_random_strings() -> None:
    """Whatever the library encodes is decoded."""
    chance = random.Random(7541)
    samples = [bytes([byte]) for byte in range(256)]
    samples += [chance.randbytes(chance.randint(1, 60)) for _ in range(300)]
    for sample in samples:
        assert decode_huffman(encode(sample)) == sample.decode("latin-1")


@pytest.mark.parametrize(
    ("coded", "message"),
    [
        ("497fff", "bad padding"),  # a whole byte of padding
        ("4940", "bad padding"),  # zeros
        ("ff", "bad padding"),  # nothing but padding, a byte of it
        ("1fffffffff", "EOS"),
        ("ffffffff", "EOS"),
    ],
)
def test_refused(coded: str, message: str) -> None:
    """Padding is less than a byte of ones, and EOS never stands inside (RFC 7541 §5.2); again and again."""
    for _ in range(3):
        with pytest.raises(HuffmanError, match=message):
            decode_huffman(bytes.fromhex(coded))
