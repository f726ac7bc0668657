"""Rows of a test, wherever they lie: columns in, sums and second looks out."""
