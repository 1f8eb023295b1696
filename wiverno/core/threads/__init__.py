"""Which thread leads, which wait, and the requests that are queued for them. It knows no connection."""
