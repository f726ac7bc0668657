"""Designs of a test: who gets what and when, and what that asks of the analysis."""
