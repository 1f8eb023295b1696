"""From files, environment and options to settings: read, merged and validated once, into one frozen `Adjustments`."""
