"""The estimators of this room by name: what each assumes, which options it takes, and the function that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gmvcausal.rollout.chance.inference import BY_SCORES, INFERENCE, with_inference
from gmvcausal.rollout.dose.estimator import dose
from gmvcausal.rollout.fitted import Fitted, Options
from gmvcausal.rollout.group_time.callaway import callaway_santanna
from gmvcausal.rollout.group_time.triple import triple
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.ratios.poisson import poisson
from gmvcausal.rollout.regression.family import etwfe, imputation, sun_abraham, two_stage
from gmvcausal.rollout.regression.simple import naive, two_by_two_did
from gmvcausal.rollout.regression.twoway import twoway
from gmvcausal.rollout.switching.fit import switching
from gmvcausal.rollout.synthetic.fit import INFERENCE as BY_PLACEBOS
from gmvcausal.rollout.synthetic.fit import synthetic

# Options that only some estimators use; whoever gives one to another is told so.
_LINEAR = frozenset({"assignment", "ssc"})  # ssc= also where it bears on the leads alone
_CONDITIONAL = frozenset({"covariates", "adjustment"})
_EXPOSED = frozenset({"exposed", "edges"})


@dataclass(frozen=True)
class Method:
    """One estimator.

    Attributes
    ----------
    run : callable
        Takes the `Panel` and the `Options`, returns the `Fitted`.
    title : str
    assumption : str
        What identifies its effect, in words.
    takes : frozenset of str
        Options among those that only some estimators use.
    inference : tuple of str
        What `inference=` may ask of it.
    absorbing : bool
        Whether treatment, once on, must stay on.
    crossed : bool
        Whether it takes repeated cross-sections (``unit=None``).
    summed : bool
        Whether sums by cohort are enough for it, where the panel is complete.
    """

    run: Callable[[Panel, Options], Fitted]
    title: str
    assumption: str
    takes: frozenset[str] = _LINEAR
    inference: tuple[str, ...] = INFERENCE
    absorbing: bool = True
    crossed: bool = False
    summed: bool = False


_PARALLEL_THROUGHOUT = (
    "without the tactic, all units would have moved in parallel in all periods, before the start as after it; "
    "no effect before the start (beyond the stated anticipation); one unit's treatment leaves the others "
    "alone"
)
METHODS: dict[str, Method] = {
    "callaway_santanna": Method(
        callaway_santanna,
        "Staggered difference-in-differences (Callaway and Sant'Anna 2021)",
        "without the tactic, each treated cohort would have moved in parallel with its control units; no "
        "effect before the start (beyond the stated anticipation); one unit's treatment leaves the others "
        "alone",
        takes=_CONDITIONAL | _EXPOSED | {"assignment", "control", "base_period"},
        crossed=True,
        summed=True,
    ),
    "two_by_two": Method(
        two_by_two_did,
        "Two-by-two difference-in-differences",
        "without the tactic, the treated units would have moved in parallel with the control units",
        takes=_LINEAR | _CONDITIONAL,
        crossed=True,
    ),
    "twfe": Method(
        twoway,
        "Two-way fixed effects",
        "parallel trends, and the same effect for every unit at all times after the start",
        absorbing=False,
        crossed=True,
        summed=True,
    ),
    "stacked": Method(
        twoway,
        "Stacked difference-in-differences over campaigns",
        "without the campaign, the units sent it would have moved in parallel with those not sent it, "
        "campaign by campaign",
        takes=frozenset({"ssc"}),
        absorbing=False,
    ),
    "synthetic_control": Method(
        synthetic,
        "Synthetic control (Abadie, Diamond and Hainmueller 2010), outcomes only",
        "without the tactic, the treated would have gone on as the weighted controls that matched them before "
        "the start; no effect before it; one unit's treatment leaves the others alone",
        takes=frozenset(),
        inference=BY_PLACEBOS,
    ),
    "augmented_synthetic_control": Method(
        synthetic,
        "Augmented synthetic control (Ben-Michael, Feller and Rothstein 2021)",
        "without the tactic, the treated would have gone on as the weighted controls that matched them before "
        "the start, what the match left being carried on by a ridge regression; no effect before the start; "
        "one unit's treatment leaves the others alone",
        takes=frozenset(),
        inference=BY_PLACEBOS,
    ),
    "synthetic_did": Method(
        synthetic,
        "Synthetic difference-in-differences (Arkhangelsky and others 2021)",
        "without the tactic, the treated would have moved in parallel with the weighted controls from the "
        "weighted periods before; no effect before the start; one unit's treatment leaves the others alone",
        takes=frozenset(),
        inference=BY_PLACEBOS,
    ),
    "sun_abraham": Method(
        sun_abraham,
        "Interaction-weighted event study (Sun and Abraham 2021)",
        "without the tactic, each treated cohort would have moved in parallel with the never treated; no "
        "effect before the start (beyond the stated anticipation); one unit's treatment leaves the others "
        "alone",
        summed=True,
    ),
    "imputation": Method(
        imputation,
        "Imputation (Borusyak, Jaravel and Spiess 2024)",
        _PARALLEL_THROUGHOUT,
        summed=True,
    ),
    "two_stage": Method(
        two_stage,
        "Two-stage difference-in-differences (Gardner 2022)",
        _PARALLEL_THROUGHOUT,
        summed=True,
    ),
    "etwfe": Method(
        etwfe,
        "Extended two-way fixed effects (Wooldridge 2021)",
        _PARALLEL_THROUGHOUT,
        summed=True,
    ),
    "poisson": Method(
        poisson,
        "Difference-in-differences in ratios: Poisson with unit and period effects (Wooldridge 2023)",
        "without the tactic, mean GMV of the treated would have changed by the same percentage as that of the "
        "untreated, in all periods; no effect before the start (beyond the stated anticipation); one unit's "
        "treatment leaves the others alone",
        takes=frozenset(),
        inference=BY_SCORES,
    ),
    "dose": Method(
        dose,
        "Difference-in-differences by dose (Callaway, Goodman-Bacon and Sant'Anna 2024)",
        "effects at a dose: without the tactic, each treated cohort would have moved in parallel with its control "
        "units; slopes, and comparisons between doses, need more (strong parallel trends): at every dose, those who "
        "got another one would have gained what those who got it gained; no effect before the start (beyond the "
        "stated anticipation); one unit's treatment leaves the others alone",
        takes=frozenset({"assignment", "control", "base_period", "dose"}),
    ),
    "triple": Method(
        triple,
        "Triple difference (Olden and Møen 2022; Ortiz-Villavicencio and Sant'Anna 2025)",
        "without the tactic, what the eligible gain on the ineligible would have changed in each treated cohort of "
        "places as it did in the untreated places; neither group need have moved in parallel itself; the tactic "
        "leaves the ineligible of treated places alone; no effect before the start (beyond the stated anticipation)",
        takes=frozenset({"assignment", "base_period", "eligible"}),
        inference=("wild", "conley"),
    ),
    "switching": Method(
        switching,
        "Tactics that switch on and off (de Chaisemartin and D'Haultfœuille 2024)",
        "had no unit switched, units that began with the same treatment would have moved in parallel; no effect before "
        "the first switch; one unit's treatment leaves the others alone. DID_M, beside it, also assumes no carry-over: "
        "treatment of earlier periods does not matter today",
        takes=frozenset(),
        inference=("conley",),
        absorbing=False,
    ),
    "naive": Method(
        naive,
        "Naive comparison of means",
        "units and periods with the tactic would have been like all others without it",
        takes=frozenset(),
        inference=BY_SCORES,
        absorbing=False,
        crossed=True,
    ),
}


def estimate(panel: Panel, options: Options) -> Fitted:
    """The estimator that the options name, with the intervals that they ask for."""
    fitted = METHODS[options.estimator].run(panel, options)
    if panel.weight is not None:
        e = fitted.estimates
        fitted = replace(
            fitted, estimates=replace(e, estimand=tuple(f"{t}, units by their weights" for t in e.estimand))
        )
    return with_inference(panel, options, fitted)
