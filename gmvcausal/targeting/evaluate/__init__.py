"""Held-out evaluation of a score: plain functions of arrays, which know of no learner."""

from gmvcausal.targeting.evaluate.evaluation import Calibration, Evaluation, evaluate
from gmvcausal.targeting.evaluate.metric import Metric

__all__ = ["Calibration", "Evaluation", "Metric", "evaluate"]
