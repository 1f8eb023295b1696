"""What a peer may make a connection hold and do: the bounds of the protocol object, each with its reason.

Memory of one connection, at the defaults: up to `max_block_size` for a field block that is not complete, one frame,
4 kB of HPACK table and less than 100 kB of cached requests, 1,000 queued answers of 17 bytes, 2 kB a stream and as much
body as `connection_window`, until the owner has acknowledged it: below 1.5 MB, nearly all of it body.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Plain values; the defaults serve a browser and a load generator alike."""

    max_streams: int = 100
    """Concurrent streams (RFC 9113 §5.1.2). 100 is the least that it recommends, and what nginx, Apache and Go take
    or come near to. More are refused, which a client may try again."""

    max_list_size: int = 65536
    """Bytes of a decoded field section, 32 more for each field: a request beyond it is answered with 431."""

    max_fields: int = 128
    """Fields of a request, pseudo-fields included and cookie crumbs counted as one: more are answered with 431."""

    table_size: int = 4096
    """Bytes of HPACK's dynamic table (SETTINGS_HEADER_TABLE_SIZE). The default of the protocol holds what a browser
    repeats; more would be memory of every connection."""

    max_block_size: int = 65536
    """Bytes of an encoded field block. A longer one ends the connection: it would have to be read in full and decoded
    to keep HPACK's tables alike (CVE-2024-27316 and its kin)."""

    max_continuations: int = 12
    """CONTINUATION frames after one HEADERS frame. A block of `max_block_size` needs four; nghttp2 takes eight."""

    stream_window: int = 262144
    """Bytes that a peer may send on a stream before we announce more (SETTINGS_INITIAL_WINDOW_SIZE)."""

    connection_window: int = 1048576
    """The same for all streams together: it bounds the body bytes in memory. 65,535 is the least that there is."""

    max_frame_size: int = 16384
    """Bytes of a frame's payload that we accept (SETTINGS_MAX_FRAME_SIZE): a frame is kept until it is complete."""

    reset_burst: int = 200
    """Streams that may end early at once, whether the client resets them (CVE-2023-44487) or makes us reset them
    (CVE-2025-8671). A browser that leaves a page resets what it had open, which is `max_streams` at most, twice."""

    reset_rate: float = 33.0
    """The same a second from then on; nghttp2's figure."""

    overhead_burst: int = 500
    """Frames at once that ask for work and bring nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, frames of unknown
    types, empty DATA, HEADERS and CONTINUATION (CVE-2019-9511 to 9518)."""

    overhead_rate: float = 50.0
    """The same a second from then on. Clients ping every few seconds, or once a round trip while they measure it."""

    overhead_per_work: int = 4
    """How many of them each request and each DATA frame that is not tiny, in either direction, makes free: some
    clients send two WINDOW_UPDATE frames for each DATA frame that they receive, others one PRIORITY frame or two with
    each request."""


DEFAULT_LIMITS = Limits()
