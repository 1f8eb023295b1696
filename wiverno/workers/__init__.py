"""More than one process: a supervisor, its workers, and what a main process owes to its system."""
