"""What is recorded of a running server: access log, counters, heartbeat, slow requests, status."""
