"""Configuration files: TOML and INI into one document, interpolation, and where each key stands."""
