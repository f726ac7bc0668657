"""Sufficient statistics in one pass: group -> n, mean vector, centred cross-products, optional cluster cells."""

from gmvcausal.moments.core import ClusterCells, Moments, merge
from gmvcausal.moments.memory import from_arrays

__all__ = ["ClusterCells", "Moments", "from_arrays", "merge"]
