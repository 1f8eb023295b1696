"""Configurations of other servers and other formats, converted."""
