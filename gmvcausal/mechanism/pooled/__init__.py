"""Several studies in one answer, or several designs side by side."""
