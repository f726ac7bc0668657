"""gmvcausal: how much GMV did this targeting tactic cause, and is that answer to be trusted?

Verbs are functions, data comes first, columns go by name, and every result carries its audit. Names load on first use,
so that ``import gmvcausal`` is light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import DesignError, GmvCausalError, GmvCausalWarning, InputError

if TYPE_CHECKING:
    from gmvcausal import datasets, simulate, trust
    from gmvcausal.abtest.designs.assign import assign
    from gmvcausal.abtest.looks.verb import sequential
    from gmvcausal.abtest.metrics import Gmv, Mean, Proportion, Quantile, Ratio
    from gmvcausal.abtest.plans.verbs import power, sample_size
    from gmvcausal.abtest.verb import ab_test
    from gmvcausal.logs import privacy
    from gmvcausal.logs.logs import Logs
    from gmvcausal.mechanism.exposure.verb import spillover
    from gmvcausal.mechanism.factors.verb import decompose
    from gmvcausal.mechanism.frontier.verb import efficiency
    from gmvcausal.mechanism.longrun.verb import surrogate
    from gmvcausal.mechanism.pathways.verb import mediate
    from gmvcausal.mechanism.pooled.verb import combine
    from gmvcausal.observational.adjustment.verb import adjust
    from gmvcausal.observational.discontinuity.verb import threshold
    from gmvcausal.observational.instrument.verb import iv
    from gmvcausal.observational.notch.verb import bunching
    from gmvcausal.observational.series.verb import before_after
    from gmvcausal.observational.verb import match
    from gmvcausal.present.report import report
    from gmvcausal.present.side_by_side import table
    from gmvcausal.results.describing.verb import describe
    from gmvcausal.rollout.referee.honest import honest_did
    from gmvcausal.rollout.verb import did
    from gmvcausal.study import run_study
    from gmvcausal.targeting.estimator import UpliftEstimator
    from gmvcausal.targeting.saved import load_uplift
    from gmvcausal.targeting.verb import uplift

# Public name -> (module, attribute); None as attribute means the module itself.
_LAZY: dict[str, tuple[str, str | None]] = {
    "Gmv": ("gmvcausal.abtest.metrics", "Gmv"),
    "Logs": ("gmvcausal.logs.logs", "Logs"),
    "Mean": ("gmvcausal.abtest.metrics", "Mean"),
    "Proportion": ("gmvcausal.abtest.metrics", "Proportion"),
    "Quantile": ("gmvcausal.abtest.metrics", "Quantile"),
    "Ratio": ("gmvcausal.abtest.metrics", "Ratio"),
    "UpliftEstimator": ("gmvcausal.targeting.estimator", "UpliftEstimator"),
    "ab_test": ("gmvcausal.abtest.verb", "ab_test"),
    "adjust": ("gmvcausal.observational.adjustment.verb", "adjust"),
    "assign": ("gmvcausal.abtest.designs.assign", "assign"),
    "before_after": ("gmvcausal.observational.series.verb", "before_after"),
    "bunching": ("gmvcausal.observational.notch.verb", "bunching"),
    "combine": ("gmvcausal.mechanism.pooled.verb", "combine"),
    "datasets": ("gmvcausal.datasets", None),
    "decompose": ("gmvcausal.mechanism.factors.verb", "decompose"),
    "describe": ("gmvcausal.results.describing.verb", "describe"),
    "did": ("gmvcausal.rollout.verb", "did"),
    "efficiency": ("gmvcausal.mechanism.frontier.verb", "efficiency"),
    "honest_did": ("gmvcausal.rollout.referee.honest", "honest_did"),
    "iv": ("gmvcausal.observational.instrument.verb", "iv"),
    "load_uplift": ("gmvcausal.targeting.saved", "load_uplift"),
    "match": ("gmvcausal.observational.verb", "match"),
    "mediate": ("gmvcausal.mechanism.pathways.verb", "mediate"),
    "power": ("gmvcausal.abtest.plans.verbs", "power"),
    "privacy": ("gmvcausal.logs.privacy", None),
    "report": ("gmvcausal.present.report", "report"),
    "run_study": ("gmvcausal.study", "run_study"),
    "sample_size": ("gmvcausal.abtest.plans.verbs", "sample_size"),
    "sequential": ("gmvcausal.abtest.looks.verb", "sequential"),
    "simulate": ("gmvcausal.simulate", None),
    "spillover": ("gmvcausal.mechanism.exposure.verb", "spillover"),
    "surrogate": ("gmvcausal.mechanism.longrun.verb", "surrogate"),
    "table": ("gmvcausal.present.side_by_side", "table"),
    "threshold": ("gmvcausal.observational.discontinuity.verb", "threshold"),
    "trust": ("gmvcausal.trust", None),
    "uplift": ("gmvcausal.targeting.verb", "uplift"),
}

__all__ = [
    "DesignError",
    "Gmv",
    "GmvCausalError",
    "GmvCausalWarning",
    "InputError",
    "Logs",
    "Mean",
    "Proportion",
    "Quantile",
    "Ratio",
    "UpliftEstimator",
    "ab_test",
    "adjust",
    "assign",
    "before_after",
    "bunching",
    "combine",
    "datasets",
    "decompose",
    "describe",
    "did",
    "efficiency",
    "honest_did",
    "iv",
    "load_uplift",
    "match",
    "mediate",
    "power",
    "privacy",
    "report",
    "run_study",
    "sample_size",
    "sequential",
    "simulate",
    "spillover",
    "surrogate",
    "table",
    "threshold",
    "trust",
    "uplift",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("gmvcausal")
    if name not in _LAZY:
        raise AttributeError(f"module 'gmvcausal' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    found = import_module(module)
    value = found if attribute is None else getattr(found, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
