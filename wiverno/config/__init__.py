"""Text and values become settings: sources are read, merged and validated once into one frozen `Adjustments`."""
