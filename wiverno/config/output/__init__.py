"""A loaded configuration and the settings model written out: explain, schema, template, reference page."""
