"""A module whose own code fails when it is imported."""

raise RuntimeError("a bug of the application")
