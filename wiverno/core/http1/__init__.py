"""One HTTP/1.1 connection: its request bodies, its output and its timeouts."""
