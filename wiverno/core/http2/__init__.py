"""One HTTP/2 connection: its streams, each an exchange, and their output. The protocol itself is in `wiverno.http2`."""
