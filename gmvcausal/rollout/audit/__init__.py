"""The audit of a roll-out: its checks and their published rules."""
