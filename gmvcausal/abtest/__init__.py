"""Randomised tests: metrics from one pass of moments, honest intervals for heavy tails, an audit of the design."""
