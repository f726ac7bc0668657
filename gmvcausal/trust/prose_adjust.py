"""What the page says around the tables of `adjust`."""

ADJUST = """\
## Adjusting: nobody drew lots

`adjust` compares users who are alike in what decided. They come from D11 through raw logs: higher tiers and recent
visitors get the coupon more often, and buy more in any case; most GMV is zero and the rest has a long tail. Chances are
never told, they are learned from tier, recency, price sensitivity and GMV before. Rows are `estimator/estimand`: on
everyone (`ate`), on those who got it (`att`), weighted by overlap. All rows of a run are read off the same users.
"""
OBSERVED = """\
### All that decided is in the data

{n:,} users, effects along lines and in steps. With {reps} runs the Monte Carlo error of a coverage of 95 % is
{error:.1%}.
"""
HIDDEN = """\
### Something decided that nobody recorded

A hidden sign moves both the log odds of a coupon, by .5 or 1, and the rate of ordering. `aipw/ate`, which knows nothing
of it, is shown as it is: wrong. `bound/ate` is the interval of `r.sensitivity()` when it is told how strong the hidden
cause truly is: it is to hold the truth in at least {least:.0%} of runs.
"""
THIN = """\
### Thin overlap

D13: chances come near 0 and 1. Weighted by overlap the answer is to hold; on everyone the check `overlap` is to say so
(*flagged*), and the other estimators are shown.
"""
