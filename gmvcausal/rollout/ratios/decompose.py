"""The effect on GMV split into buyers, orders per buyer and GMV per order, cell by cell, so that the parts add up.

GMV per unit is an identity, (buyers per unit) x (orders per buyer) x (GMV per order), of what a treated cell holds and
of what it would have held. So the logarithms of the three ratios add up to that of GMV, and Shapley's values of the
product add up to the effect in money. Averages over cells come afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import column_name
from gmvcausal.results import Audit, Estimates, Result
from gmvcausal.rollout.chance.clustered import cluster_sums, clustered_uncertainty
from gmvcausal.rollout.intake.further import further_outcome
from gmvcausal.rollout.ratios.effects import Loads, Part, RatioEffects, scores_of
from gmvcausal.rollout.ratios.model import FloatArray, IntArray
from gmvcausal.rollout.ratios.poisson import poisson
from gmvcausal.stats.product import shapley

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.rollout.result import DidResult

FACTORS = ("buyers", "orders per buyer", "GMV per order")
_LOG = "log points"
_STEP = 1e-30  # of complex differentiation, which has no rounding to balance
_NUMBERS = 4_000_000


@dataclass(frozen=True, repr=False, eq=False)
class DecompositionResult(Result):
    """What the effect on GMV is made of.

    Rows: the total and its three parts in money (they add up), then the same in log points (they add up too). The audit
    is that of the result taken apart.
    """

    checks: Audit
    metric: str

    @property
    def audit(self) -> Audit:
        """The checks of the result that was taken apart."""
        return self.checks

    def contributions(self) -> pd.DataFrame:
        """The parts in log points: metric, arm, factor, estimate, conf_low, conf_high, lift (exp(estimate) - 1)."""
        frame = self.to_frame()
        frame = frame[frame["unit"] == _LOG].reset_index(drop=True)
        names = ["total" if t.startswith("total") else t.partition(" (")[0] for t in frame["term"]]
        frame = frame.assign(metric=self.metric, arm="treated", factor=names)
        frame = frame[["metric", "arm", "factor", "estimate", "conf_low", "conf_high"]]
        return frame.assign(lift=np.expm1(frame["estimate"].to_numpy(float)))


def decompose(result: DidResult, orders: str, buyers: str) -> DecompositionResult:
    """See `DidResult.decompose`."""
    effects = result.fitted.effects
    if not isinstance(effects, RatioEffects) or result.origin is None:
        raise InputError(
            f"estimator={result.options.estimator!r} compares differences, and a product splits into factors by ratios",
            remedy="use estimator='poisson'",
        )
    columns = [column_name("buyers", buyers), column_name("orders", orders)]
    if len({result.options.outcome, *columns}) < 3:
        raise InputError("outcome, orders= and buyers= must be three different columns")
    data, options = result.origin.data, result.manifest.options
    values = [further_outcome(data, result.panel, options, str(c), absorbing=True, ratios=True) for c in columns]
    gmv = result.panel.y
    for above, below, what in (
        (gmv, values[1], (result.options.outcome, orders)),
        (values[1], values[0], columns[::-1]),
    ):
        broken = (above > 0) & (below == 0)
        if broken.any():
            raise InputError(
                f"{what[0]!r} is above 0 where {what[1]!r} is 0, so they are not factors of one product",
                column=str(what[1]),
                count=int(broken.sum()),
                remedy="count orders and buyers from the same log as GMV, with the same refunds left out",
            )
    if (values[0] > values[1]).any():
        raise InputError(
            "there are more buyers than orders", column=buyers, count=int((values[0] > values[1]).sum()),
            remedy="give the number (or 0/1) of those who ordered, and the number of their orders",
        )  # fmt: skip
    made = []
    for y in values:
        other = poisson(replace(result.panel, y=y, notes=[], dropped={}), result.options).effects
        assert isinstance(other, RatioEffects)
        made.append(other)
    return _result(result, [*made, effects])


def _parts_of(sums: Any) -> Any:
    """Log ratios and Shapley's values in money of each cell; `sums` (6, K): B, O, Y held, then what they would be."""
    real, other = sums[:3], sums[3:]
    now = (real[0], real[1] / real[0], real[2] / real[1])
    then = (other[0], other[1] / other[0], other[2] / other[1])
    logs = [np.log(a / b) for a, b in zip(now, then, strict=True)]
    return np.array([*shapley(np.array(then), np.array(now)), *logs])


def _result(result: DidResult, made: list[RatioEffects]) -> DecompositionResult:
    """Averages of the cells' parts, weighted by treated units, and their joint covariance by the delta method."""
    main = made[-1]
    asked = np.flatnonzero(main.cells.event >= 0)
    at = (main.cells.cohort[asked], main.cells.period[asked])
    held = np.array([e.sums.observed[at] for e in made] + [e.sums.imputed[at] for e in made])
    live = (held > 0).all(axis=0)
    if not live.any():
        raise DesignError("no treated cell has orders both with the tactic and, imputed, without it")
    at, held = (at[0][live], at[1][live]), held[:, live]
    size = main.sums.size[at]
    parts = _parts_of(held)
    # Money is summed over units, logs are weighted by them: one factor for the first three rows, one for the others.
    weight = np.concatenate([np.ones((3, len(size))), np.tile(size, (3, 1))]) / size.sum()
    estimate = (weight * parts).sum(axis=1)
    slopes = np.empty((6, 6, len(size)))
    for k in range(6):
        moved = held.astype(complex)
        moved[k] += 1j * _STEP
        slopes[:, k] = _parts_of(moved).imag / _STEP
    slopes *= weight[:, None, :]
    loads = []
    for k, e in enumerate(made):
        grids = np.zeros((2, 6, *main.sums.size.shape))
        grids[0][:, at[0], at[1]], grids[1][:, at[0], at[1]] = slopes[:, k], slopes[:, k + 3]
        loads.append(e.sums.part(Loads(estimate, grids[0], grids[1], np.zeros((6, len(e.sums.model.beta))))))
    total = np.array([[1, 1, 1, 0, 0, 0], *np.eye(6)[:3], [0, 0, 0, 1, 1, 1], *np.eye(6)[3:]], dtype=float)
    cov, spread = _uncertainty(made, loads, total)
    few = bool(np.isnan(result.estimates.cov[0, 0]))
    factors = [f"{f} ({{}})" for f in FACTORS]
    unit, n = result.options.outcome_unit, result.n
    money = "part of the effect on GMV, Shapley's value of the cell's product, mean over treated unit-periods"
    logs = "log of ratio of means, cell by cell, mean over treated unit-periods"
    estimates = Estimates(
        ("total", *(f.format("money") for f in factors), "total (log)", *(f.format("log") for f in factors)),
        ("ATT under trends parallel in ratios", *[money] * 3, *[logs] * 4),
        (*[unit] * 4, *[_LOG] * 4),
        total @ estimate,
        np.full_like(cov, np.nan) if few else cov,
        (n,) * 8,
        spread,
        withheld=result.estimates.withheld if few else "",
        method="" if few else result.estimates.method,
    )
    notes = list(result.manifest.notes)
    if not live.all():
        notes.append(f"{int((~live).sum())} treated cohort-periods without orders are left out of the split")
    manifest = replace(result.manifest, verb="decompose", notes=tuple(notes))
    return DecompositionResult(
        "What the effect on GMV is made of",
        result.assumption + "; the same for buyers and for orders",
        estimates,
        manifest,
        result.alpha,
        result.audit,
        result.options.outcome,
    )


def _uncertainty(made: list[RatioEffects], parts: list[Part], total: FloatArray) -> tuple[FloatArray, Any]:
    """Joint covariance over three outcomes of the same units, whose scores are added up unit by unit."""
    sample = made[-1].sample
    inside = np.flatnonzero(sample.group >= 0)
    order = inside[np.argsort(sample.cluster[inside], kind="stable")]
    step = max(1, _NUMBERS // max(len(total), sample.y.shape[1]))

    def scores() -> Iterator[tuple[FloatArray, IntArray]]:
        for low in range(0, len(order), step):
            at = order[low : low + step]
            joint = sum(scores_of(e.sample, [p], at) for e, p in zip(made, parts, strict=True))
            yield total @ joint, sample.cluster[at]

    return clustered_uncertainty(
        cluster_sums(scores()), len(total), sample.group, sample.cluster, sample.weight, len(sample.n)
    )
