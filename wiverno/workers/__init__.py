"""Processes: the supervisor and its workers, the single process, pid file, admin listener, service manager."""
