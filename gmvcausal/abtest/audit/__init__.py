"""The audit of a test: its checks and their published rules."""
