"""Monte Carlo studies of our own estimators: bias, size, power, coverage, and what the audit does."""
