"""How far chance reaches: cluster sums, placebo runs, and intervals on request."""
