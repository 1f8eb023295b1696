"""What a test leaves behind in the process that runs the tests."""

import threading


def engine_threads() -> set[threading.Thread]:
    """Return the threads that engines of this process have begun and that still run."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("wiverno-")}
