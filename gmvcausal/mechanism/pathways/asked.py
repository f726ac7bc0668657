"""Which column of a mediation is what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """Which column is what."""

    outcome: str
    treatment: str
    mediators: tuple[str, ...]
    covariates: tuple[str, ...]
    fixed: tuple[str, ...]
    cluster: str | None
    unit: str | None
    moderator: str | None
    times: Mapping[str, str]
    control: Any
    missing: str
    outcome_model: str
