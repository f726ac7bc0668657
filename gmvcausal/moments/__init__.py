"""Sufficient statistics in one pass: group -> n, mean vector, centred cross-products, optional cluster cells."""

from gmvcausal.moments.core import ClusterCells, Moments, Weighted, merge
from gmvcausal.moments.memory import from_arrays

__all__ = ["ClusterCells", "Moments", "Weighted", "from_arrays", "merge"]
