"""Before a test: power, sample size, and the history they learn from."""
