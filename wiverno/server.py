"""The import path that programs written for waitress use: `from wiverno.server import create_server`.

The servers themselves are in `wiverno.core.server`.
"""

from wiverno.core.server import (
    BaseWSGIServer,
    MultiSocketServer,
    TcpWSGIServer,
    UnixWSGIServer,
    WSGIServer,
    create_server,
)

__all__ = ["BaseWSGIServer", "MultiSocketServer", "TcpWSGIServer", "UnixWSGIServer", "WSGIServer", "create_server"]
