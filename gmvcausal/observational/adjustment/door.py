"""The result of `gmvcausal.adjust` where a graph leaves only the front door: an effect read off its mediators."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.table import Table
from gmvcausal.observational.adjustment import checks
from gmvcausal.observational.adjustment.checks import Case
from gmvcausal.observational.adjustment.drawn import held_against
from gmvcausal.observational.adjustment.form import through_mediators
from gmvcausal.observational.adjustment.intake import Asked, Sample, arrays, read
from gmvcausal.observational.adjustment.learn import Nuisances
from gmvcausal.observational.adjustment.make import lined_up, measure_of, per_of, plain
from gmvcausal.observational.adjustment.numbers import Found
from gmvcausal.observational.adjustment.result import Extra
from gmvcausal.observational.graphs.frontdoor import FrontDoor, front_door
from gmvcausal.observational.graphs.plan import Plan, listed
from gmvcausal.results import Audit, Check, Manifest, Result
from gmvcausal.results.audit import audit_with

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, repr=False, eq=False)
class FrontDoorResult(Result):
    """An effect that passes through observed mediators, with its audit; see the shared protocol.

    Attributes
    ----------
    checks : Audit
    extra : Extra
    moved, passed : dict of str to float
        What the treatment adds to each mediator, and what one unit of it adds to the outcome.
    advice : tuple of str
        What the summary adds to the finding.
    """

    checks: Audit
    extra: Extra
    moved: dict[str, float] = field(repr=False)
    passed: dict[str, float] = field(repr=False)
    advice: tuple[str, ...] = ()

    @property
    def audit(self) -> Audit:
        """The checks that bear on the assumption."""
        return self.checks

    @property
    def baseline_words(self) -> str:
        """Whose the baseline is."""
        return "that the units without it have"

    def _about_row(self, place: int) -> dict[str, Any]:
        return {"baseline": self.extra.control_value[place]}

    def _extra_columns(self) -> dict[str, Any]:
        return {name: list(getattr(self.extra, name)) for name in ("arm", "control", "method", "control_value", "df")}


def through_the_door(data: Any, asked: Asked, options: dict[str, Any], found: Plan, table: Table) -> FrontDoorResult:
    """Read the mediators, estimate, audit.

    Raises
    ------
    InputError
        Another estimand than the average effect on everyone, or what the reading of columns raises.
    """
    if options["estimand"] != "ate":
        raise InputError(
            f"the front door tells the average effect on everyone, and estimand is {options['estimand']!r}",
            remedy="pass estimand='ate'",
        )
    s = read(data, asked)
    x = np.asarray(s.x, dtype=np.float64)
    f = front_door(s.y, s.treated.astype(float), x)
    even = np.ones(s.n)
    control = plain(s)
    label = str(s.labels[1])
    total = Found(f.estimate, f.influence, even, control.value, used=x.shape[1])
    told = (
        f"average effect on all {per_of(asked, s)}s of {s.labels[1]} against {s.labels[0]}, all of it through "
        f"{listed(found.mediators)}"
    )
    rows = [
        (label, told, "front door", total),
        (f"{label} (unadjusted)", f"difference of means, {s.labels[1]} against {s.labels[0]}", "none", control),
    ]
    estimates, extra = lined_up(s, rows, measure_of(asked, s))
    case = Case(s, Nuisances(np.full(s.n, s.treated.mean()), np.zeros((s.n, 2)), None, False), total, "", "ate")
    ignored: tuple[str, ...] = ()
    if options["estimator"] != "aipw":
        ignored = (f"estimator={options['estimator']!r} is of adjustment sets and has no part in a front door",)
    manifest = Manifest(
        "adjust", {**options, "control": s.labels[0], "estimator": "front_door"}, options["seed"], s.rows, s.columns,
        dict(s.dropped), (*found.notes, *ignored, *s.notes), partial(arrays, s),
        ("front door, linear in the mediators",),
    )  # fmt: skip
    return FrontDoorResult(
        f"Front door: {s.labels[1]} against {s.labels[0]}", found.assumption, estimates, manifest, options["alpha"],
        _audit(case, held_against(found, table, asked, s), _form(s, x, f)), extra,
        dict(zip(s.names, f.moved.tolist(), strict=True)),
        dict(zip(s.names, f.passed.tolist(), strict=True)), found.reasons,
    )  # fmt: skip


def _form(s: Sample, x: FloatArray, f: FrontDoor) -> Check:
    return checks.form_check(
        f.estimate, through_mediators(s, x, f), "outcome", "mediators",
        "draw a node for the mediator as the outcome follows it (its logarithm, its classes as text) in its place",
    )  # fmt: skip


def _audit(case: Case, graph: Check, form: Check) -> Audit:
    own = (
        checks.tail, checks.leverage, checks.few_clusters, checks.cluster_level, checks.copies, checks.zero_variance,
    )  # fmt: skip
    hidden = Check(
        "hidden_confounding", "not_run",
        "no data show whether something unseen moves a mediator, or part of the effect passes it by",
    )  # fmt: skip
    found = [check for function in own if (check := function(case)) is not None]
    return audit_with([graph, form, hidden, *found, *checks.of_amounts(case)], case.sample.facts)
