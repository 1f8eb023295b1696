"""Which compressed form of a file a client wants: Accept-Encoding (RFC 9110 §12.5.3)."""

import re
from functools import lru_cache
from typing import Final

ENDINGS: Final = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""The ending that a coding's file has beside the original. The first one wins where the client has no preference."""

# A coding and its weight; three decimal places at most (RFC 9110 §12.4.2).
_ITEM: Final = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
)
_LONGEST: Final = 256  # characters; browsers send thirty


def accepted_codings(text: str) -> tuple[str, ...]:
    """Return the codings of ``ENDINGS`` that a client prefers to the file itself, best first.

    A field that breaks its grammar is ignored: the file is sent as it is. So is a long one, which must not be kept.
    """
    return _read_codings(text) if len(text) <= _LONGEST else ()


@lru_cache(maxsize=256)
def _read_codings(text: str) -> tuple[str, ...]:
    weights: dict[str, float] = {}
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is not None:
            name = match[1].lower()
            weights["gzip" if name == "x-gzip" else name] = float(match[2] or 1)
        elif item.strip(" \t"):
            return ()
    others = weights.get("*", 0.0)
    plain = weights.get("identity", 0.0)
    rank = {coding: weights.get(coding, others) for coding in ENDINGS}
    wanted = [coding for coding in ENDINGS if rank[coding] > 0 and rank[coding] >= plain]
    return tuple(sorted(wanted, key=lambda coding: -rank[coding]))
