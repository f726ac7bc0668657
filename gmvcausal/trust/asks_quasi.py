"""`iv` as the trust room asks it where the instrument is weak: a set without an end holds every truth."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from gmvcausal.trust.asks_uplift import Answer, Row

FAR = 1e12  # in place of an end that there is not


def weak(data: Any, **call: Any) -> Answer:
    """The headline as ``"late"``, with ends where its confidence set has none, so that it is counted as it is."""
    import gmvcausal as gc

    r = gc.iv(data, **call)
    row = Row(r.estimate, r.std_error, r.p_value, partial(_ended, r))
    return Answer(r.audit, {"late": row}, {})


def _ended(result: Any, level: float) -> tuple[float, float]:
    low, high = result.conf_int(level)
    return (-FAR if low == -math.inf else low), (FAR if high == math.inf else high)
