"""Fisher's test of `spillover` as the trust room asks it: a row with its p-value, and limits that say the same."""

from __future__ import annotations

import math
from typing import Any

from gmvcausal.trust.asks_uplift import Answer, Row


def fisher(data: Any, **call: Any) -> Answer:
    """The p-value of Fisher's test as a row ``"fisher"``, whose limits leave out zero where it rejects."""
    import gmvcausal as gc

    result = gc.spillover(data, **call)
    tests = result.tests()
    p = float(tests["p_value"].to_numpy(float)[list(tests["test"]).index("fisher")])

    def limits(level: float) -> tuple[float, float]:
        return 1 - level - p, 2.0

    return Answer(result.audit, {"fisher": Row(1.0, math.nan, p, limits)}, {})
