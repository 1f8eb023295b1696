"""The tests: `unit` mirrors the package, `integration` uses real sockets and processes, `property` uses hypothesis."""
