"""Sockets below HTTP: listeners, TLS, the PROXY protocol, buffers and the lingering close."""
