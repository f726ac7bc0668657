"""A result on doses as plain values, and back; `targeting.saved` writes and reads the file."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

import numpy as np

from gmvcausal.frames.features import Features
from gmvcausal.results import Audit, Check, Estimates
from gmvcausal.stats.small_sample import Spread
from gmvcausal.targeting.dose.fit import DoseFit
from gmvcausal.targeting.dose.intake import Doses
from gmvcausal.targeting.dose.result import DoseExtra, DoseUplift
from gmvcausal.targeting.intake.trial import Asked, Trial
from gmvcausal.targeting.learners.pseudo import OneStage
from gmvcausal.targeting.policy.seen import Seen

FORMAT = "gmvcausal uplift of a dose 1"


def to_dict(m: DoseUplift) -> dict[str, Any]:
    """Text and numbers for a file."""
    from gmvcausal.targeting.intake.trial import plain

    e, t = m.estimates, m.doses.trial
    return {
        "format": FORMAT,
        "title": m.title,
        "assumption": m.assumption,
        "alpha": m.alpha,
        "advice": list(m.advice),
        "estimates": {
            "term": list(e.term), "estimand": list(e.estimand), "unit": list(e.unit), "estimate": e.estimate.tolist(),
            "cov": e.cov.tolist(), "n": list(e.n), "df": e.t.df.tolist(), "factor": e.t.factor.tolist(),
            "withheld": e.withheld, "method": e.method,
        },
        "extra": {k: list(v) for k, v in asdict(m.extra).items()},
        "checks": [asdict(c) for c in m.checks],
        "manifest": {**m.manifest.to_dict(), "choices": list(m.manifest.choices)},
        "asked": {k: plain(v) for k, v in asdict(m.asked).items()},
        "features": t.features.to_dict(),
        "cluster_name": t.cluster_name,
        "model": None if m.fit.model is None else m.fit.model.to_dict(),
        "centre": m.fit.centre,
        "predicted": m.fit.predicted,
        "threads": m.fit.threads,
        "seen": base64.b64encode(m.seen.rows.tobytes()).decode(),
    }  # fmt: skip


def from_dict(found: dict[str, Any]) -> DoseUplift:
    """What `to_dict` made, without the rows."""
    from gmvcausal.targeting.saved import manifest_of

    asked = dict(found["asked"])
    asked["features"] = tuple(asked["features"])
    features, manifest, e = Features.from_dict(found["features"]), manifest_of(found["manifest"]), found["estimates"]
    no_rows, none = np.empty(0, dtype=np.int64), np.empty(0)
    trial = Trial(
        none, no_rows, (asked["treatment"],), np.empty((0, len(features.names)), dtype=np.float32), features, None,
        asked["propensity"] is not None, None, np.empty((0, 0)), float(asked["margin"]), str(found["cluster_name"]),
        no_rows, manifest.rows, manifest.columns,
    )  # fmt: skip
    fit = DoseFit(
        none, none, none, None if found["model"] is None else OneStage.from_dict(found["model"]),
        float(found["centre"]), none, bool(found["predicted"]), float("nan"), int(found["threads"]),
    )  # fmt: skip
    estimates = Estimates(
        tuple(e["term"]), tuple(e["estimand"]), tuple(e["unit"]), np.array(e["estimate"], dtype=float),
        np.array(e["cov"], dtype=float), tuple(e["n"]),
        Spread(np.array(e["df"], dtype=float), np.array(e["factor"], dtype=float)), e["withheld"], method=e["method"],
    )  # fmt: skip
    m = DoseUplift(
        found["title"], found["assumption"], estimates, manifest, float(found["alpha"]),
        Audit(tuple(Check(**c) for c in found["checks"])),
        DoseExtra(**{name: tuple(v) for name, v in found["extra"].items()}), Asked(**asked),
        Doses(trial, none, None), fit, tuple(found["advice"]),
    )  # fmt: skip
    m.__dict__["seen"] = Seen("trained the model", np.frombuffer(base64.b64decode(found["seen"]), dtype=np.uint64))
    return m
