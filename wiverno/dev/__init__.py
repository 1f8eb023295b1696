"""The development server: a child process that serves, restarted on every change by a parent that keeps the socket."""
