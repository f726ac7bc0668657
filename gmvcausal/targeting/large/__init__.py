"""Tables larger than memory: a sample to learn from, everything else in batches."""
