"""The application behind the balancers: says who asked, who answers, and takes its time if told to."""

import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with what the environ says of the client; /slow waits first for as many milliseconds as the query says."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(int(environ["QUERY_STRING"]) / 1000)  # a slow request is what the test asks for
    body = environ["wsgi.input"].read()
    seen = {
        "process": os.getpid(),
        "client": environ["REMOTE_ADDR"],
        "protocol": environ["SERVER_PROTOCOL"],
        "scheme": environ["wsgi.url_scheme"],
        "host": environ.get("HTTP_HOST"),
        "length": len(body),
        "forwarded": {key: text for key, text in environ.items() if "FORWARDED" in key},
    }
    content = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
    return [content]
