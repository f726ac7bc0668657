"""Nobody randomised: comparisons of units that look alike."""
