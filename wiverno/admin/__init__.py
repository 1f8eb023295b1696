"""What a service says of itself: health, readiness, metrics, status, and a page to look at. It knows no socket."""
