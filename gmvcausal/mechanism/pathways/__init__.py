"""By way of what a treatment works: natural direct and indirect effects."""
