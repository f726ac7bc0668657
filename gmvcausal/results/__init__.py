"""What every verb returns: estimates with their covariance, an audit, a manifest, one protocol."""

from gmvcausal.results.audit import Audit, Check
from gmvcausal.results.base import Result
from gmvcausal.results.estimates import Estimates
from gmvcausal.results.manifest import Manifest
from gmvcausal.results.row import Row

__all__ = ["Audit", "Check", "Estimates", "Manifest", "Result", "Row"]
