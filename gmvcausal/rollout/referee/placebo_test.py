"""Placebo tests as referees ask for them: false dates, false units, both; the estimate beside what these give."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError, GmvCausalError, InputError
from gmvcausal.frames.params import check, one_of
from gmvcausal.results import Audit, Check, Estimates, Result
from gmvcausal.results.curves import Curves, Line
from gmvcausal.rollout.audit.rules import bound, judge
from gmvcausal.rollout.fitted import FloatArray, IntArray
from gmvcausal.rollout.intake.cohorts import ALWAYS, UNTREATED
from gmvcausal.rollout.referee.reassigned import BoolArray, Lots, cut, lots_of
from gmvcausal.stats.resampling import null_p

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.rollout.result import DidResult

KINDS = ("time", "unit", "mixed")
POOLS = ("all", "never")
_SLOW = 2.0  # seconds before a bar is shown
_POINTS = 801
_FEW = 10  # different values, below which a density says less than the points
Draw = tuple[IntArray, BoolArray | None]
_SAID = {
    "time": "false dates before the start",
    "unit": "false units",
    "mixed": "false units and false dates",
}


@dataclass(frozen=True, repr=False, eq=False)
class PlaceboResult(Result):
    """An estimate beside placebo estimates.

    The row and its interval are those of the result that was tested.

    Attributes
    ----------
    kind : {"time", "unit", "mixed"}
    pool : {"all", "never"}
    runs : ndarray, shape (runs,)
        Placebo estimates, in the order in which they were drawn.
    placebo_p : float
        Share of placebo estimates whose size is at least that of the estimate, the real one counted among them.
    """

    kind: str
    pool: str
    runs: FloatArray
    checks: Audit

    @property
    def audit(self) -> Audit:
        """The placebo test itself, and the checks of the result that was tested."""
        return self.checks

    @property
    def placebo_p(self) -> float:
        """Share of runs, the real one included, that are at least as far from zero."""
        return null_p(self.estimate * (1 - 1e-12), self.runs, "two-sided")

    def distribution(self) -> pd.DataFrame:
        """The placebo estimates, one a row: run, estimate."""
        import pandas as pd

        return pd.DataFrame({"run": np.arange(1, len(self.runs) + 1), "estimate": self.runs})

    @property
    def advice(self) -> tuple[str, ...]:
        """What the runs say, in one sentence."""
        return (said(self.kind, self.runs, self.placebo_p),)

    def _extra_columns(self) -> dict[str, Any]:
        sd = float(self.runs.std(ddof=1)) if len(self.runs) > 1 else math.nan
        told = (self.kind, self.placebo_p, float(self.runs.mean()), sd, len(self.runs))
        names = ("placebo", "placebo_p", "placebo_mean", "placebo_sd", "runs")
        return {name: [value] for name, value in zip(names, told, strict=True)}

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """The density of the placebo estimates, with the true line."""
        return ("placebo",)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        height, lines = 1.0, []
        if len(np.unique(self.runs)) < _FEW:
            lines.append(Line("placebo estimates", self.runs, np.zeros(len(self.runs)), "points"))
        else:
            from scipy.stats import gaussian_kde

            wide = 1.5 * max(float(np.abs(self.runs).max()), abs(self.estimate))
            x = np.linspace(-wide, wide, _POINTS)
            density = gaussian_kde(self.runs)(x)
            height = float(density.max())
            lines.append(Line("placebo estimates", x, density))
        lines.append(Line("the estimate", np.full(2, self.estimate), np.array([0.0, height]), "dashed"))
        name = f"{len(self.runs):,} estimates with {_SAID[self.kind]}"
        return Curves(f"Placebo test: {name}, p = {self.placebo_p:.3f}", self.unit, "density", tuple(lines))


def said(kind: str, runs: FloatArray, p: float) -> str:
    """The finding of a placebo test in a sentence."""
    reached = round(p * (len(runs) + 1)) - 1
    text = (
        f"Of {len(runs):,} estimates with {_SAID[kind]}, {reached:,} are at least as far from zero as the true one "
        f"(p = {p:.3g}); their mean is {runs.mean():+.3g}."
    )
    least = 1 / (len(runs) + 1)
    return text + (f" With so few different runs p cannot fall below {least:.2g}." if least > 0.05 else "")


def placebo_test(result: DidResult, kind: str, reps: int, seed: int, pool: str, progress: bool) -> PlaceboResult:
    """See `DidResult.placebo`."""
    one_of("kind", kind, KINDS)
    one_of("pool", pool, POOLS)
    if kind == "time" and pool != "all":
        raise InputError(
            "pool= has no meaning for false dates: the treated keep their places",
            remedy="leave pool= out, or use placebo('unit') or placebo('mixed')",
        )
    reps, seed = check("draws", reps, called="reps"), check("seed", seed)
    panel = result.panel
    if panel.exposed is not None and ((panel.start >= 0) & (panel.exposed >= 0)).any():
        raise DesignError(
            "some treated units were exposed to others' treatment before their own start, and under false dates that "
            "exposure would be there all the same",
            remedy="run the placebo test on a call without exposed= and edges=, leaving those units out",
        )
    lots = lots_of(result.panel, result.options, result.estimate)
    draws, lots = _time(lots, reps, seed) if kind == "time" else _units(lots, kind, pool, reps, seed)
    runs, failed = [], 0
    from tqdm import tqdm

    for start, use in tqdm(draws, desc="placebo", unit="run", disable=not progress, delay=_SLOW, leave=False):
        try:
            runs.append(lots.headline(start, use))
        except GmvCausalError:
            failed += 1
    if len(runs) <= failed:
        raise DesignError(
            f"{failed:,} of {failed + len(runs):,} placebo assignments have no estimate",
            remedy="supply more periods or more untreated units",
        )
    values = np.array(runs)
    p = null_p(result.estimate * (1 - 1e-12), values, "two-sided")
    # Few runs cannot give a small p-value; where none of them reaches the estimate that is no reason to doubt it.
    # An estimate that is not told from zero by its own interval is expected among them: nothing contradicts it.
    reached = (np.abs(values) >= abs(result.estimate)).any()
    status = judge("placebo", p) if reached and not result.p_value >= result.alpha else "passed"
    test = Check(
        "placebo",
        status,
        said(kind, values, p).rstrip("."),
        p,
        bound("placebo"),
        "such estimates come about without the tactic: look for better controls, or read the effect as not shown"
        if status != "passed"
        else "",
    )
    notes = list(result.manifest.notes)
    if failed:
        notes.append(f"{failed:,} placebo assignments had no estimate and are left out")
    options = {**result.manifest.options, "kind": kind, "reps": reps, "pool": pool, "seed": seed}
    return PlaceboResult(
        f"{result.title}: placebo test", result.assumption, first_of(result.estimates),
        replace(result.manifest, verb="did.placebo", options=options, seed=seed, notes=tuple(notes)),
        result.alpha, kind, pool, values, Audit((test, *result.audit)),
    )  # fmt: skip


def first_of(e: Estimates) -> Estimates:
    """The headline alone."""
    lone = e.cov[:1, :1]
    told = 0 in e.special or bool(np.isfinite(lone).all())
    return Estimates(
        e.term[:1], e.estimand[:1], e.unit[:1], e.estimate[:1], lone, e.n[:1],
        None if e.spread is None else e.spread.take(np.arange(len(e.term)) == 0),
        "" if told else e.withheld,
        {k: v for k, v in e.special.items() if k == 0},
        {k: v for k, v in e.special_p.items() if k == 0},
        e.method,
    )  # fmt: skip


def _time(lots: Lots, reps: int, seed: int) -> tuple[Iterator[Draw] | list[Draw], Lots]:
    """False dates in the periods before anybody was treated: all of them where they are few."""
    first = int(lots.start[lots.start >= 0].min()) - lots.options.anticipation
    dates = np.arange(1 + lots.options.anticipation, first)
    if len(dates) < 2:
        raise DesignError(
            f"false dates need at least two periods between the second and the start, and there are {len(dates)}",
            remedy="supply earlier periods, or use placebo('unit')",
        )
    before = cut(lots.panel, np.arange(first))
    lots = replace(lots, panel=before, total=lots.total[:, :first])
    cohorts, own = np.unique(lots.start[lots.start >= 0], return_inverse=True)

    def moved(dated: Any) -> Draw:
        start = lots.start.copy()
        start[lots.start >= 0] = np.asarray(dated)[own]
        return start, None

    if len(cohorts) * math.log(len(dates)) <= math.log(reps):
        return [moved(d) for d in itertools.product(dates, repeat=len(cohorts))], lots
    rng = np.random.default_rng(seed)
    return [moved(rng.choice(dates, len(cohorts))) for _ in range(reps)], lots


def _units(lots: Lots, kind: str, pool: str, reps: int, seed: int) -> tuple[Iterator[Draw], Lots]:
    """The dates dealt out anew among all lots, or among those never treated."""
    order = lots.order
    order = order[lots.start[order] != ALWAYS]
    dated = np.sort(lots.start[lots.start >= 0])
    if pool == "never":
        order = order[lots.start[order] == UNTREATED]
    if len(order) < 2 * len(dated) and pool == "never":
        raise DesignError(
            f"false units are drawn from those never treated, which must be twice as many as the treated: "
            f"{len(order)} and {len(dated)}",
            column=lots.panel.cluster_name,
            remedy="use pool='all'",
        )
    use = None if pool == "all" else (lots.start < 0)
    first, last = 1 + lots.options.anticipation, lots.total.shape[1]
    if kind == "mixed" and last - first < 2:
        raise DesignError("false dates need at least two periods after the first", remedy="use placebo('unit')")
    cohorts, own = np.unique(dated, return_inverse=True)

    def deal(rng: np.random.Generator) -> Iterator[Draw]:
        for _ in range(reps):
            start = np.where(lots.start == ALWAYS, ALWAYS, UNTREATED)
            dates = dated if kind == "unit" else rng.integers(first, last, len(cohorts))[own]
            start[rng.choice(order, len(dated), replace=False)] = dates
            yield start, use

    return deal(np.random.default_rng(seed)), lots
