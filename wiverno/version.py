"""The version, for rooms that may not import the package itself; its metadata takes 15 ms to read."""

VERSION = "2.0.0"
