"""The application that the Windows process serves."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

SLOW = 2.0  # seconds


def cut() -> Iterator[bytes]:
    """Fail in the middle of a response."""
    yield b"half"
    raise ValueError("the other half is missing")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer by path."""
    body = environ["wsgi.input"].read()
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    match path:
        case "/upload":
            return [f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()]
        case "/download":
            return iter([b"0123456789abcdef" * 4096] * int(query))  # so many times 64 KiB
        case "/file":
            file = Path(query).open("rb")  # noqa: SIM115 - the server closes it
            return environ["wsgi.file_wrapper"](file)  # type: ignore[no-any-return]
        case "/slow":
            print("slow: begun", flush=True)
            time.sleep(SLOW)  # a slow request is what the test asks for
            return [b"slow: complete"]
        case "/cut":
            return cut()
        case "/break":
            signal.raise_signal(signal.Signals["SIGBREAK"])
            return [b"broken"]
        case "/facts":
            facts = {"name": os.name, "cwd": str(Path.cwd()), "scheme": environ["wsgi.url_scheme"], "pid": os.getpid()}
            return [json.dumps(facts).encode()]
    return [b"Hello\n"]
