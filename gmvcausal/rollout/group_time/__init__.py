"""Effects by cohort and period from two-by-two comparisons, and their aggregates."""
