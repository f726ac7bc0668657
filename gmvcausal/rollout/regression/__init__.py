"""Estimators that are regressions with unit and period effects."""
