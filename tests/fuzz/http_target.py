"""What is fuzzed, and with what it is judged.

    python -m tests.fuzz.http_target [--seconds 300] [--keep]

The first byte of an input says who reads the rest: the reader of requests, the PROXY protocol's, or the reader of proxy
fields; the second where the rest is cut in two. Judged is that nothing but ProtocolError escapes, that pieces mean the
same as the whole, and that what was accepted holds no byte that it must not.

With atheris, libFuzzer steers by coverage; where atheris can't be had, the same inputs are mutated unguided, and the
last line says so. `--keep` adds what reached new code to corpus.txt.
"""

import argparse
import ast
import logging
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support.reading import Reader, read, split

CORPUS = Path(__file__).with_name("corpus.txt")
MAX_LENGTH = 2048  # bytes of one input

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
    judge = (_check_requests, _check_requests, _check_preamble, _check_proxy_fields)[data[0] % 4]
    judge(data[2:], data[1])


def _meaning(reader: Reader) -> tuple[Any, ...]:
    return [vars(request) for request in reader.requests], reader.error is None, reader.is_over


def _check_requests(data: bytes, cut: int) -> None:
    whole = read(data)
    assert _meaning(read(*split(data, {cut}))) == _meaning(whole)
    if len(data) <= 256:
        assert _meaning(read(*split(data, set(range(len(data)))))) == _meaning(whole)
    for request in whole.requests:
        assert _TARGET(request.target)
        assert request.resource.startswith("/")
        assert request.minor == 0 or "HTTP_HOST" in request.variables
        assert not {"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"} <= set(request.variables)
        for key, value in request.variables.items():
            assert _KEY(key)
            assert _VALUE(value)


def _check_preamble(data: bytes, cut: int) -> None:
    from wiverno.http.errors import ProtocolError
    from wiverno.http.proxy_protocol import read_proxy_preamble

    try:
        found = read_proxy_preamble(data)
    except ProtocolError:
        return
    if found is None:
        assert len(data) < 5000
        return
    assert 0 < found.consumed <= len(data)
    assert read_proxy_preamble(data[: found.consumed]) == found
    try:
        assert read_proxy_preamble(data[: min(cut, found.consumed - 1)]) is None
    except ProtocolError as error:
        raise AssertionError("a part of a good preamble was refused") from error
    for end in (found.source, found.destination):
        assert end is None or (0 <= end[1] <= 65535 and end[0].isascii())


def _check_proxy_fields(data: bytes, kind: int) -> None:
    from wiverno.http.errors import ProtocolError
    from wiverno.wsgi.proxy_policy import ProxyPolicy

    keys = ("FOR", "HOST", "PROTO", "PORT", "BY")
    text = data.decode("latin-1")
    environ: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.1", "wsgi.url_scheme": "http", "SERVER_PORT": "80"}
    if not _VALUE(text):
        return
    if kind & 1:
        names = frozenset({"forwarded"})
        environ["HTTP_FORWARDED"] = text
    else:
        names = frozenset(f"x-forwarded-{key.lower()}" for key in keys)
        environ.update(zip((f"HTTP_X_FORWARDED_{key}" for key in keys), text.split("|"), strict=False))
    try:
        ProxyPolicy("*", trusted_proxy_count=1 + (kind >> 1) % 3, trusted_proxy_headers=names).apply(environ, True)
    except ProtocolError:
        return
    assert environ["wsgi.url_scheme"] in ("http", "https")
    assert environ["SERVER_PORT"].isdigit()
    assert re.fullmatch(r"[\w.:%-]+", environ["REMOTE_ADDR"], re.ASCII)
    assert not set(environ.get("HTTP_HOST", "")) & set(' /\\@?#<>"')


def corpus() -> list[bytes]:
    """Return the kept inputs: one Python literal a line."""
    return [ast.literal_eval(line) for line in CORPUS.read_text(encoding="ascii").splitlines() if line[:1] == "b"]


def _fuzz_unguided(seconds: float) -> None:
    """Mutate kept inputs at random; for platforms without atheris."""
    logging.disable()
    chance = random.Random(0)
    inputs, count, end = corpus(), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = bytearray(chance.choice(inputs))
        for _ in range(chance.randint(1, 5)):
            at, other = chance.randint(0, len(data)), chance.choice(inputs)
            start = chance.randint(0, len(other))
            data[at : at + chance.randint(0, 4)] = other[start : start + chance.randint(0, 8)]
            if data:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8) if chance.random() < 0.5 else 0
        try:
            check(bytes(data[:MAX_LENGTH]))
        except BaseException:
            print(f"failed on {bytes(data)!r}")
            raise
        count += 1
    print(f"Done {count} runs in {seconds:g} second(s) (unguided: atheris is not installed)")


def _fuzz_guided(seconds: int, keep: bool) -> int:
    """Run libFuzzer in a separate process: libFuzzer exits the process. Return its exit status."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, data in enumerate(corpus()):
            (folder / f"{number:04}").write_bytes(data)
        flags = [f"-max_total_time={seconds}", f"-max_len={MAX_LENGTH}", "-timeout=10", "-print_final_stats=1"]
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.http_target",
            "--inside",
            *flags,
            f"-artifact_prefix={name}/crash-",
        ]
        status = subprocess.run([*command, name], check=False).returncode
        for crash in folder.glob("crash-*"):
            print(f"failed on {crash.read_bytes()!r}")
        if keep and not status:
            lines = {ascii(path.read_bytes()) for path in folder.iterdir()}
            CORPUS.write_text("".join(f"{line}\n" for line in sorted(lines)), encoding="ascii")
        return status


def _inside(arguments: list[str]) -> None:
    """Hand the process over to libFuzzer."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore] # it is in a separate group

    logging.disable()

    for name in [name for name in sys.modules if name.startswith(("wiverno", "tests.support"))]:
        del sys.modules[name]  # to be imported again, instrumented
    with atheris.instrument_imports(include=["wiverno"]):
        import tests.support.reading as reading
        import wiverno.http.proxy_protocol
        import wiverno.wsgi.forwarded  # noqa: F401 - imported here to be instrumented
    globals().update(read=reading.read, split=reading.split)
    atheris.Setup([sys.argv[0], *arguments], check)
    atheris.Fuzz()


def main() -> int:
    """Fuzz for the asked time; the exit status is 0 if nothing escaped."""
    if "--inside" in sys.argv:
        _inside(sys.argv[sys.argv.index("--inside") + 1 :])
    parser = argparse.ArgumentParser(description="Fuzz everything that reads bytes from strangers.")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--keep", action="store_true", help="add what reached new code to corpus.txt")
    options = parser.parse_args()
    os.environ["PYTHONUNBUFFERED"] = "1"
    if find_spec("atheris") is not None:
        return _fuzz_guided(options.seconds, options.keep)
    _fuzz_unguided(options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
