"""Effects as ratios: Poisson quasi-likelihood, and the split of GMV into its factors."""
