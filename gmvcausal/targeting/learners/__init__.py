"""Learners of individual effects: one module each, all fitted fold by fold."""
