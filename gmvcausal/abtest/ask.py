"""The columns that a call names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gmvcausal.abtest.metrics import Metric, covariates, parts


@dataclass(frozen=True)
class Columns:
    """The columns of a call, and how rows are to be taken."""

    arm: str
    control: Any
    metrics: tuple[Metric, ...]
    cluster: str | None
    strata: tuple[str, ...]
    unit: str | None
    missing: str
    rule: str

    @property
    def needed(self) -> list[str]:
        """Every column that the call names, once."""
        named = [self.arm, *(p for m in self.metrics for p in (*parts(m), *covariates(m)))]
        named += [c for c in (self.cluster, self.unit) if c is not None]
        return list(dict.fromkeys([*named, *self.strata]))
