"""Accepting clients: the acceptor, the connection limit, eviction of idle connections, back-off among processes."""
