"""The longer view: what short-term outcomes say of the long one (surrogate index)."""
