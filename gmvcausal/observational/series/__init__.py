"""One series before and after a date: what would have been, and how far that can be told."""
