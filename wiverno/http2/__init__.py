"""HTTP/2 as bytes and values: no socket, thread, clock, file or setting (RFC 9113, RFC 7541)."""
