"""What causes what, as the user drew it: read, asked for an adjustment set, held against the data."""
