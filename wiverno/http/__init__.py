"""HTTP/1.1 as bytes and values: no socket, thread, clock, file or setting is known in this room."""
