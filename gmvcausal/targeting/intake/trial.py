"""What was tried on whom: rows of a table as arrays, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.features import Features, Matrix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """Which column is what: enough to read a second table as the first was read.

    Attributes
    ----------
    outcome, treatment : str
    features : tuple of str
    control : label or None
    propensity, cost : see `intake.shares`
    margin : float
    cluster, unit, assigned_at : str or None
    missing : {"raise", "zero"}
    impute : {None, "median"} or float
    received : str or None
    redeemed : str or None
    rule : {"raise", "first", "drop"}
    exposed_at : str or None
    """

    outcome: str
    treatment: str
    features: tuple[str, ...]
    control: Any = None
    propensity: Any = None
    cost: Any = 0
    margin: float = 1.0
    cluster: str | None = None
    unit: str | None = None
    assigned_at: str | None = None
    missing: str = "raise"
    impute: Any = None
    received: str | None = None
    redeemed: str | None = None
    rule: str = "raise"
    exposed_at: str | None = None


def plain(value: Any) -> Any:
    """What JSON can hold; a mapping as pairs: the keys of JSON are text, those of arms need not be."""
    if isinstance(value, Mapping):
        return {"pairs": [[plain(k), plain(v)] for k, v in value.items()]}
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, tuple) else value


def asked_from(found: Mapping[str, Any]) -> Asked:
    """What `plain` made of the fields of an `Asked`."""
    values = {k: dict(v["pairs"]) if isinstance(v, dict) else v for k, v in found.items()}
    return Asked(**values | {"features": tuple(values["features"])})


@dataclass(frozen=True, eq=False)
class Trial:
    """Rows of an experiment (or of a campaign with its log of probabilities), in an order of their own.

    The order depends on what the rows hold, not on where they stood, so that every number that comes of it does not
    depend on the order of the table.

    Attributes
    ----------
    y : ndarray of float64, shape (n,)
        Outcome, in the user's money.
    arm : ndarray of int64, shape (n,)
        0 is the control.
    labels : tuple
        One for each arm, the control first.
    x : ndarray of float32, shape (n, p)
        Gaps are NaN.
    features : Features
    propensity : ndarray, shape (n, k + 1), or None
        Probability of every arm as given; None where it is to be estimated.
    known : bool
        Whether it was given.
    cluster : ndarray of int64, shape (n,), or None
        Dense codes.
    cost : ndarray, shape (n, k)
        Of each arm but the control, in money: of a redeemed coupon where `redeemed` says which were, else of treating.
    margin : float
        Share of the outcome that is earned.
    cluster_name : str
    row : ndarray of int64, shape (n,)
        Position in the table of each row.
    rows, columns : int
        Shape of the table.
    notes : tuple of str
    dropped : dict
    found_cluster : bool
        Whether the clusters were found, not named.
    spacing : float
        Distance of neighbouring numbers in the source type of the outcome (0 for exact sources).
    facts : dict
        What `Logs` wrote about the table.
    received : ndarray of float64, shape (n,), or None
        1 where the row got what its arm was assigned, else 0; None where it was not asked for.
    redeemed : ndarray, shape (n,), or None
        Whether each row redeemed its coupon, 0 or 1.
    """

    y: FloatArray
    arm: IntArray
    labels: tuple[Any, ...]
    x: Matrix
    features: Features
    propensity: FloatArray | None
    known: bool
    cluster: IntArray | None
    cost: FloatArray
    margin: float
    cluster_name: str
    row: IntArray
    rows: int
    columns: int
    notes: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    found_cluster: bool = False
    spacing: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    received: FloatArray | None = None
    redeemed: FloatArray | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def arms(self) -> int:
        """Number of arms, the control among them."""
        return len(self.labels)

    @property
    def sizes(self) -> IntArray:
        """Rows of every arm, shape (k + 1,)."""
        return np.asarray(np.bincount(self.arm, minlength=self.arms))

    @property
    def spent(self) -> FloatArray:
        """What each row did cost, shape (n,): nothing for the control, and for a coupon that was not redeemed."""
        padded = np.column_stack([np.zeros(self.n), self.cost])
        paid = padded[np.arange(self.n), self.arm]
        return np.asarray(paid if self.redeemed is None else paid * self.redeemed)

    def in_table_order(self, values: NDArray[Any]) -> NDArray[Any]:
        """One value for each row of the table, put where the row stood in it; NaN (-1) where a row was left out."""
        left = np.nan if np.issubdtype(values.dtype, np.floating) else -1
        out = np.full((self.rows, *values.shape[1:]), left, dtype=values.dtype)
        out[self.row] = values
        return out
