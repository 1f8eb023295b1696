"""Where the content that an application gives is not as long as its head says: what is sent, and what is logged."""

from wiverno.foreign_code import guarded_logger
from wiverno.http.response import ResponseHead

logger = guarded_logger("wiverno")


def fit(piece: bytes, left: int, head: ResponseHead | None, method: str) -> bytes:
    """Return what may be sent of a piece where only `left` bytes may follow; log what an application would miss."""
    if method == "HEAD":
        return b""
    if head is not None and not head.has_body:
        logger.warning(
            "application-written content was ignored due to HTTP response that may not contain a message-body: (%s)",
            head.status,
        )
        return b""
    if head is None or head.declared < 0:
        logger.warning("content exceeded the length that was measured when it began: the rest is left out")
    else:
        logger.warning(
            "application-written content exceeded the number of bytes specified by Content-Length header (%s)",
            head.declared,
        )
    return piece[:left]


def log_too_short(sent: int, head: ResponseHead | None) -> None:
    """Log that a response has ended before the length that its head declares."""
    logger.warning(
        "application returned too few bytes (%s) for specified Content-Length (%s) via app_iter",
        sent, head.declared if head else -1,
    )  # fmt: skip
