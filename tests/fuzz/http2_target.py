"""What is fuzzed of HTTP/2, and with what it is judged.

    python -m tests.fuzz.http2_target [--seconds 300]

The first byte of an input says who reads the rest: the protocol object, the decoder of field blocks, or the Huffman
decoder; the second where the rest is cut in two. Judged is that nothing escapes, that pieces mean the same as the
whole, that what was accepted holds no byte that it must not, and that the decoders agree with the `hpack` library's:
what ours takes, it takes, with the same meaning.

With atheris, libFuzzer steers by coverage; where atheris can't be had, the same inputs are mutated unguided.
"""

import argparse
import ast
import random
import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).with_name("http2_corpus.txt")
MAX_LENGTH = 1024  # bytes of one input

_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
_KEY = re.compile(r"(?:HTTP_|CONTENT_(?:LENGTH|TYPE)$)[!#$%&'*+.^_`|~0-9A-Z]*").fullmatch
_TARGET = re.compile(r"[\x21-\x7e\x80-\xff]+").fullmatch


def check(data: bytes) -> None:
    """Try one input.

    Raises:
        AssertionError: it was judged wrong; any other exception escaped from the code under test.
    """
    if len(data) < 2:
        return
    judge = (_check_connection, _check_connection, _check_block, _check_huffman)[data[0] % 4]
    judge(data[2:], data[1])


def _check_connection(data: bytes, cut: int) -> None:
    whole = _read([data])
    assert _read([data[:cut], data[cut:]]) == whole
    if len(data) <= 256:
        assert _read([data[at : at + 1] for at in range(len(data))]) == whole


def _read(pieces: list[bytes]) -> tuple[list[Any], bytes]:
    """Return events and output of a connection that has begun well; request heads are judged."""
    from wiverno.http2.connection import ServerProtocol
    from wiverno.http2.events import DataReceived, RequestReceived, StreamReset
    from wiverno.http2.frames import PREFACE

    protocol = ServerProtocol(0.0)
    protocol.receive(PREFACE + bytes.fromhex("000000040000000000"), 0.0)
    protocol.output.take()
    events: list[Any] = []
    output = b""
    for piece in pieces:
        for event in protocol.receive(piece, 0.0):
            events.append(event)
            if isinstance(event, RequestReceived):
                _judge(event.request.variables)
            elif isinstance(event, DataReceived):
                protocol.acknowledge(event.stream_id, len(event.data))
            elif isinstance(event, StreamReset):
                protocol.release(event.stream_id)
        output += protocol.output.take()
    assert len(protocol.streams.live) <= 100
    return events, output


def _judge(variables: dict[str, str]) -> None:
    own = {"REQUEST_METHOD", "REQUEST_URI", "PATH_INFO", "QUERY_STRING"}
    assert own - {"QUERY_STRING"} <= set(variables)
    assert "HTTP_HOST" in variables
    assert variables["PATH_INFO"].startswith("/")
    assert _TARGET(variables["REQUEST_URI"])
    for key, value in variables.items():
        if key not in own:
            assert _KEY(key), key
            assert _VALUE(value)


def _check_block(data: bytes, cut: int) -> None:
    """Two blocks on one connection, by our decoder and by the library's."""
    import hpack
    import hpack.exceptions

    from wiverno.http2.errors import ErrorCode, Violation
    from wiverno.http2.fields import MALFORMED
    from wiverno.http2.header_blocks import BlockDecoder

    ours = BlockDecoder(max_list_size=1 << 20, max_fields=10000)
    theirs = hpack.Decoder(max_header_list_size=1 << 24)
    for block in (data[:cut], data[cut:], data[cut:]):
        try:
            entries = ours.decode(block)
        except Violation as violation:
            refusal: object = violation.fault.code
        else:
            refusal = None
        if refusal is not None:
            assert refusal == ErrorCode.COMPRESSION_ERROR
            return
        try:
            decoded = list(theirs.decode(block, raw=True))
        except hpack.exceptions.HPACKDecodingError as error:
            raise AssertionError("ours takes a block that the library refuses") from error
        assert [(entry[3].encode("latin-1"), entry[2]) for entry in entries] == [
            (name, len(name) + len(value) + 32) for name, value in decoded
        ]
        for entry, (_, value) in zip(entries, decoded, strict=True):
            assert entry[0] == MALFORMED or entry[1].encode("latin-1") == value


def _check_huffman(data: bytes, cut: int) -> None:
    from hpack.exceptions import HPACKDecodingError
    from hpack.huffman_table import decode_huffman as by_library

    from wiverno.http2.huffman import HuffmanError, decode_huffman

    try:
        text: str | None = decode_huffman(data)
    except HuffmanError:
        text = None
    try:
        expected: bytes | None = by_library(data)
    except HPACKDecodingError:
        expected = None
    assert (text is None) == (expected is None)
    assert text is None or text.encode("latin-1") == expected


def corpus() -> list[bytes]:
    """Return the kept inputs: one Python literal a line."""
    return [ast.literal_eval(line) for line in CORPUS.read_text(encoding="ascii").splitlines() if line[:1] == "b"]


def fuzz_unguided(seconds: float, seed: int = 0) -> int:
    """Mutate kept inputs at random; return how many were tried."""
    chance = random.Random(seed)
    inputs, count, end = corpus(), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = bytearray(chance.choice(inputs))
        for _ in range(chance.randint(1, 5)):
            at, other = chance.randint(0, len(data)), chance.choice(inputs)
            start = chance.randint(0, len(other))
            data[at : at + chance.randint(0, 4)] = other[start : start + chance.randint(0, 12)]
            if data:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8) if chance.random() < 0.5 else 0
        try:
            check(bytes(data[:MAX_LENGTH]))
        except BaseException:
            print(f"failed on {bytes(data[:MAX_LENGTH])!r}")
            raise
        count += 1
    return count


def _inside(arguments: list[str]) -> None:
    """Hand the process over to libFuzzer."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore] # it is in a separate group

    with atheris.instrument_imports(include=["wiverno"]):
        import wiverno.http2.connection  # noqa: F401 - imported here to be instrumented
    atheris.Setup([sys.argv[0], *arguments], check)
    atheris.Fuzz()


def _fuzz_guided(seconds: int) -> int:
    """Run libFuzzer in a separate process: libFuzzer exits the process. Return its exit status."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, data in enumerate(corpus()):
            (folder / f"{number:04}").write_bytes(data)
        flags = [f"-max_total_time={seconds}", f"-max_len={MAX_LENGTH}", "-timeout=10", "-print_final_stats=1"]
        command = [sys.executable, "-m", "tests.fuzz.http2_target", "--inside", *flags]
        status = subprocess.run([*command, f"-artifact_prefix={name}/crash-", name], check=False).returncode
        for crash in folder.glob("crash-*"):
            print(f"failed on {crash.read_bytes()!r}")
        return status


def main() -> int:
    """Fuzz for the asked time; the exit status is 0 if nothing escaped."""
    if "--inside" in sys.argv:
        _inside(sys.argv[sys.argv.index("--inside") + 1 :])
    parser = argparse.ArgumentParser(description="Fuzz everything of HTTP/2 that reads bytes from strangers.")
    parser.add_argument("--seconds", type=int, default=300)
    options = parser.parse_args()
    if find_spec("atheris") is not None:
        return _fuzz_guided(options.seconds)
    count = fuzz_unguided(options.seconds)
    print(f"Done {count} runs in {options.seconds} second(s) (unguided: atheris is not installed)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
