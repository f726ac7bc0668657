"""A test day by day."""
