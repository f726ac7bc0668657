"""The three-step table of a mediation, as theses print it, with its known faults beneath."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmvcausal.present import digits
from gmvcausal.present.table import Table

if TYPE_CHECKING:
    from gmvcausal.mechanism.pathways.steps import ThreeSteps

FAULTS = (
    "Known faults of the steps: (1) a mediator is shown by the product of two slopes, not by three tests, of which "
    "the first (a total effect) may fail while something is mediated; (2) power is lost at every step; (3) step 3 "
    "holds the mediator fixed, which compares users who differ in whatever else moves it: no step looks for such "
    "causes, not even where chance drew the treatment; (4) 'full' and 'partial' mediation depend on sample size; "
    "(5) the slope of the mediator is taken as the same in both arms. Natural effects and the rho curve of the "
    "same result answer to these."
)
_ERROR = (
    "Standard errors in brackets ({kind}); {stars}. Sobel's z is ab over its standard error (delta method); the "
    "interval of ab is by {draws:,} draws of a and b from their normal distributions (MacKinnon 2004)."
)
_READINGS = {
    "none": "no mediation by {m} is shown: ab may be zero",
    "full": "mediation by {m}; a direct effect is not shown",
    "partial": "partial mediation by {m}, ab / c = {share}",
    "masked": "suppression: ab and c' have opposite signs, |ab / c'| = {share}",
}


def table_of(one: ThreeSteps) -> Table:
    """Slopes with their standard errors, products of slopes, and the note."""
    from gmvcausal.mechanism.pathways.steps import DRAWS, p_of

    found, errors = one.regressions, one.errors
    rows: list[tuple[str, ...]] = []
    for name in (found[0].names[0], *(step.mediator for step in one.steps)):
        sizes, spreads = [], []
        for each in found:
            if name not in each.names:
                sizes.append("")
                spreads.append("")
                continue
            i = each.names.index(name)
            b, e = float(each.beta[i]), float(each.errors[errors][i])
            places = digits.beside(e, b, digits=3)
            sizes.append(digits.fixed(b, places) + digits.stars(p_of(b, e, each.df), one.style))
            spreads.append(f"({digits.fixed(e, places)})")
        rows += [(name, *sizes), ("", *spreads)]
    rows.append(("covariates", *(["yes" if one.covariates else "no"] * len(found))))
    if one.fixed:
        rows.append(("fixed effects", *([", ".join(one.fixed)] * len(found))))
    rows.append(("n", *(f"{each.n:,}" for each in found)))
    rows.append(("R2", *(digits.fixed(each.r2, 3) for each in found)))
    blank, readings = [""] * (len(found) - 1), []
    for step in one.steps:
        made = step.product
        places = digits.beside(made.error, made.value, digits=3)
        span = f"[{digits.fixed(made.low, places)}, {digits.fixed(made.high, places)}]"
        rows.append((f"ab ({step.mediator})", *blank, digits.fixed(made.value, places)))
        rows.append(("Sobel z", *blank, digits.fixed(made.z, 2)))
        rows.append(("interval of ab", *blank, span))
        readings.append(_READINGS[step.reading].format(m=step.mediator, share=digits.fixed(step.share, 3)))
    kind = f"clustered by {one.cluster}" if one.cluster else "heteroskedasticity-robust, HC1"
    kind = "equal variances" if errors == "unadjusted" else kind
    heads = [f"({i + 1}) {each.outcome}" for i, each in enumerate(found)]
    told = f"Flow of Wen and Ye (2014): {'; '.join(readings)}."
    note = [_ERROR.format(kind=kind, stars=digits.stars_words(one.style), draws=DRAWS), told, FAULTS]
    return Table("Three steps", ("step", *heads), tuple(rows), " ".join(note)).in_language(one.language)
