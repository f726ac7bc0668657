"""The published rules of the audit of `gc.before_after`; `docs/estimators/before-after.md` prints `TABLE`."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of

_RULES: dict[str, Rule] = {
    "control_series": Rule("number of control series", None, 1, small_is_bad=True),
    "control_follows": Rule(
        "p-value (one-sided) that changes from period to period of the outcome and of the control series go together "
        "before the start (ranks; smallest over control series, times their number)",
        0.001,
        0.01,
    ),
    "promotion": Rule(
        "promotions or events after the start of which no year lies before it, and whether the effect differs in them "
        "(smallest p-value, times their number; only the larger of the p-values for money and for shares counts)",
        None,
        0.01,
        small_is_bad=True,
        more_warn="there is one, and promotions_shared=True says that the control series have it to the same degree; "
        "or promotions=False, and the calendar has one; or periods are numbers, without a calendar",
        more_fail=", or there is one and no control series, or not promotions_shared=True, or no period of the window "
        "lies outside them",
    ),
    "placebo_dates": Rule(
        "share of earlier dates, when nothing began, at which the same analysis finds an effect (p < .05)",
        0.25,
        None,
        more_warn=", and more than chance gives to 1 in 20",
        more_fail="more than chance gives to 1 in 100, with as many windows side by side",
    ),
    "pre_length": Rule(
        "periods before the start", 40, 20, small_is_bad=True, more_warn=", or fewer than the window has"
    ),
    "pre_break": Rule(
        "p-value of the test that the series keeps its course before the start (CUSUM of whitened residuals)",
        0.05,
        0.01,
        small_is_bad=True,
    ),
    "pre_shock": Rule(
        "largest whitened residual before the start, in robust standard deviations: a day that no term explains, or a "
        "jump",
        5.0,
    ),
    "anticipation": Rule(
        "p-value of the effect found in the last seven days (two weeks) before the start",
        0.05,
        0.01,
        small_is_bad=True,
    ),
    "control_reacts": Rule(
        "smallest p-value of a jump of a control series against the mean of the others, adjusted for their number "
        "(Holm); of a single one against its own past, in the first week outside promotions",
        0.01,
        0.001,
        small_is_bad=True,
    ),
    "extrapolation": Rule(
        "how far a control series goes in the window beyond its range before, in standard deviations "
        "(controls_as='regression' only)",
        1.0,
        3.0,
    ),
    "pull_forward": Rule(
        "p-value of a loss in the periods after the end (with end= only)", 0.05, None, small_is_bad=True
    ),
    "autocorrelation": Rule(
        "p-value of Ljung and Box for seven lags of the whitened residuals", 0.01, None, small_is_bad=True
    ),
    "hac_size": Rule(
        "errors='hac' alone: Newey and West's errors of a step at the end of a series are too small whatever the lags",
        more_warn="always",
    ),
    "last_period": Rule(
        "the last period over the mean of the same weekday in the four weeks before, outcome and control series",
        0.5,
        None,
        small_is_bad=True,
    ),
    "calendar_gaps": Rule("share of the window's periods without a row", 0.0, 0.2, more_warn=", or any before"),
    "day_boundary": Rule(
        "the time of day at which days begin, or their zone",
        more_warn="it is not midnight, or days are cut in UTC",
    ),
    "one_period": Rule("share of one period in the sum of the sizes of all effects (five periods or more)", 0.5),
}
RULES = Rules(_RULES)

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
