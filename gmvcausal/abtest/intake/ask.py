"""The columns that a call names."""

from __future__ import annotations

from collections.abc import Mapping
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
    time: str | None = None
    washout: Any = None
    triggered: str | None = None
    assigned_at: str | None = None
    exposed_at: str | None = None
    budget: tuple[str, Mapping[Any, Any]] | None = None
    received: str | None = None
    segment: str | None = None
    block: str | None = None

    @property
    def needed(self) -> list[str]:
        """Every column that the call names, once."""
        named = [self.arm, *(p for m in self.metrics for p in (*parts(m), *covariates(m)))]
        named += [c for c in (self.cluster, self.unit, self.received, self.segment, *self.of_design) if c is not None]
        return list(dict.fromkeys([*named, *self.strata]))

    @property
    def roles(self) -> dict[str, str]:
        """Every column that the call names, and what messages call its part in it."""
        single = (self.arm, "arm"), (self.cluster, "cluster"), (self.unit, "unit"), (self.received, "received")
        named = {c: role for c, role in (*single, (self.segment, "segment")) if c is not None}
        named |= dict.fromkeys(self.strata, "strata")
        named |= {c: "pre" for m in self.metrics for c in covariates(m)}
        named |= {p: "outcome" for m in self.metrics for p in parts(m)}
        return {c: named.get(c, "this verb") for c in self.needed}

    @property
    def of_design(self) -> list[str]:
        """The columns that a design beyond users and clusters brings along; they are read row by row."""
        spend = self.budget[0] if self.budget is not None else None
        named = (self.time, self.block, self.triggered, self.assigned_at, self.exposed_at, spend)
        return [c for c in named if c is not None]
