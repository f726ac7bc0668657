"""Synthetic comparisons: weighted controls in the place of what the treated would have been."""
