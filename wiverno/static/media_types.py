"""The media type of a file by its name: the standard library's table, what it lacks, and UTF-8 for text.

The tables of the operating system are not read: they disagree, and the same site would be served differently.
"""

import mimetypes
from functools import cache
from os import PathLike
from pathlib import PurePath
from typing import Final

_TYPES: Final = {
    ".css": "text/css", ".js": "text/javascript", ".mjs": "text/javascript", ".cjs": "text/javascript",
    ".html": "text/html", ".htm": "text/html", ".xhtml": "application/xhtml+xml", ".json": "application/json",
    ".map": "application/json", ".geojson": "application/geo+json", ".jsonld": "application/ld+json",
    ".topojson": "application/json", ".ndjson": "application/x-ndjson", ".svg": "image/svg+xml",
    ".svgz": "application/octet-stream", ".txt": "text/plain", ".log": "text/plain", ".md": "text/markdown",
    ".vtt": "text/vtt", ".csv": "text/csv", ".ics": "text/calendar", ".xml": "text/xml", ".xsl": "text/xml",
    ".rss": "application/rss+xml", ".atom": "application/atom+xml", ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json", ".webp": "image/webp", ".avif": "image/avif", ".jxl": "image/jxl",
    ".apng": "image/apng", ".ico": "image/x-icon", ".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf",
    ".otf": "font/otf", ".ttc": "font/collection", ".eot": "application/vnd.ms-fontobject", ".mp4": "video/mp4",
    ".m4v": "video/mp4", ".webm": "video/webm", ".mkv": "video/matroska", ".ogv": "video/ogg", ".m4a": "audio/mp4",
    ".oga": "audio/ogg", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".flac": "audio/flac", ".weba": "audio/webm",
    ".m3u8": "application/vnd.apple.mpegurl", ".pdf": "application/pdf", ".epub": "application/epub+zip",
    ".gz": "application/gzip", ".zst": "application/zstd", ".7z": "application/x-7z-compressed",
    ".glb": "model/gltf-binary", ".gltf": "model/gltf+json", ".apk": "application/vnd.android.package-archive",
    ".yaml": "application/yaml", ".yml": "application/yaml", ".toml": "application/toml",
}  # fmt: skip


@cache
def _standard_types() -> mimetypes.MimeTypes:
    return mimetypes.MimeTypes()


def type_of(path: str | PathLike[str]) -> str:
    """Return the media type of a file's name; text is declared as UTF-8."""
    name = PurePath(path).name.lower()
    kind = _TYPES.get(PurePath(name).suffix)
    if kind is None:
        guess, encoding = _standard_types().guess_type(name, strict=False)
        # The client of "x.tar.bz2" cannot read it as a tar.
        kind = guess if guess and not encoding else "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
