"""Average effects beside a hidden confounder, in words: what the summary, a page and a table call the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmvcausal.results.hidden_confounding import HiddenConfounding

GIVEN = (
    "The chances of the arms were given: a lot decided, or a log that wrote down what did. Whatever was not seen is "
    "then as frequent in every arm, so hidden confounding is excluded by design, as long as these are the chances that "
    "decided (checks sample_ratio and balance) and nobody left the table after assignment."
)
LAST = "No number says that there is no confounder; these say how strong it would have to be."
CALLED = {  # columns of the frame as a table calls them
    "estimate": "estimate",
    "std_error": "std. error",
    "robustness": "robustness value",
    "robustness_interval": "robustness value, interval",
    "bound_low": "lower bound",
    "bound_high": "upper bound",
    "conf_low": "lower bound, interval",
    "conf_high": "upper bound, interval",
    "e_value": "E-value",
    "e_value_limit": "E-value, interval",
    "partial_r2": "partial R2",
    "partial_robustness": "partial robustness value",
    "partial_robustness_interval": "partial robustness value, interval",
    "rosenbaum_gamma": "Rosenbaum's gamma",
}


def told(one: HiddenConfounding) -> list[tuple[str, list[str]]]:
    """Each arm's estimate, and the sentences on it."""
    told = []
    for row in one.to_frame().to_dict("records"):
        spans = row["conf_low"] == row["conf_low"]  # without an interval nothing is said of one
        strong, ends, near = "", "", ""
        if spans:
            strong = (
                f"; {row['robustness_interval']:.1%} would do to bring 0 into the interval"
                if row["robustness_interval"] > 0
                else "; the interval holds 0 as it is"
            )
            ends = f", with its interval {row['conf_low']:+.4g} to {row['conf_high']:+.4g}"
            near = f", of the interval {row['e_value_limit']:.3g}"
        about = "" if one.by_ratio else " (by the approximation for differences in standard deviations)"
        head = f"{row['arm']} against {one.control}: {row['estimate']:+.4g} ({row['std_error']:.3g}) {one.unit}"
        lines = [
            f"Something unseen that explains {row['robustness']:.1%} of what the {one.role} leave of the outcome, "
            f"and adds as much to the weights' mean square, could be all of it{strong}.",
            f"With {one.outcome:.1%} of the outcome and {one.treatment:.1%} of treatment (rho {one.rho:g}) the "
            f"effect lies between {row['bound_low']:+.4g} and {row['bound_high']:+.4g}{ends}.",
            f"E-value {row['e_value']:.3g}{near}{about}: the risk ratio that it would need with treatment and "
            "outcome alike.",
        ]
        told.append((head, lines))
    return told


def compared(one: HiddenConfounding) -> list[str]:
    """What is as strong as a column, and what the estimator says itself."""
    return [
        f"As strong as {b.feature!r} (outcome {b.outcome:.1%}, treatment {b.treatment:.1%}): {b.arm} between "
        f"{b.low:+.4g} and {b.high:+.4g}; leaving it out changes the estimate by {b.change:+.3g}."
        for b in one.benchmarks
    ] + list(one.said)
