"""The engine: whatever owns a socket or a thread. It knows Adjustments and no file format."""
