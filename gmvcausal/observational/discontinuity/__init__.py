"""Thresholds: what happens at a score that decides who is treated."""
