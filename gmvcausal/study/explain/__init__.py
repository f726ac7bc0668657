"""A plan before a bill: what a study will scan, hold and refuse, told from footers before anything runs."""

from gmvcausal.study.explain.make import explain_study

__all__ = ["explain_study"]
