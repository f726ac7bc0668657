"""Selection on observables: what units with the same covariates, treated and not, tell of an effect."""
