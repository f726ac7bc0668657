"""Monte Carlo studies of our own estimators: bias, size, power, coverage, and what the audit does.

``gmvcausal.trust.run(quick=True)`` judges every estimator in simulated worlds whose truth is known, holds the scores
against gates, and returns a `Report`. The page `How right we are` is made from the full run.
"""

from gmvcausal.trust.cells import Cell
from gmvcausal.trust.execute import SEED, run
from gmvcausal.trust.gates import Gate
from gmvcausal.trust.plans import chosen, plan
from gmvcausal.trust.report import CellResult, Report, read_report
from gmvcausal.trust.uplift import calibration_slope, pehe, policy_regret

__all__ = [
    "SEED",
    "Cell",
    "CellResult",
    "Gate",
    "Report",
    "calibration_slope",
    "chosen",
    "pehe",
    "plan",
    "policy_regret",
    "read_report",
    "run",
]
