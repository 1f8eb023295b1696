"""Files as responses: which mount, which file, which part of it, and whether the client has it already."""
