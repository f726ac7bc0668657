"""Studies as TOML files: from raw logs to a report in one call."""

from gmvcausal.study.result import StudyResult
from gmvcausal.study.run import run_study

__all__ = ["StudyResult", "run_study"]
