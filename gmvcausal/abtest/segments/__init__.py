"""A test by segment."""
