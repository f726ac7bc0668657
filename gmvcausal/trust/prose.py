"""What the page says around its tables."""

INTRO = """\
# How right we are

Every estimator of this library is asked, again and again, for an effect that is known: raw logs of a [simulated
market](reference.md#a-market-with-known-truth) go through `Logs` into a table and into the verb, and the answer is
held against the truth. Some kinds of questions have sections of their own: [further
roll-outs](#roll-outs-zeros-covariates-few-rooms-bounds-tests), [randomised tests of millions of
users](#ab-tests-heavy-tails-clusters-many-looks), which are drawn without logs,
[uplift](#uplift-averages-rankings-plans), designs where nobody drew lots ([instruments, thresholds and piles of
baskets](#instruments-thresholds-piles-of-baskets), [adjusting](#adjusting-nobody-drew-lots), one series before and
after), and mechanisms ([spillover](#spillover-friends-conditions-rooms), mediation, surrogates).
This page shows what came out, failures included. It was made from
{source}. Numbers behind ± are Monte Carlo errors: what chance alone does to a number from so many runs.

**{verdict}** {counts}
"""
COVERAGE = """\
## How often does the 95 % interval hold the truth?

It should 95 times in 100. "Below" counts intervals that lie wholly below the truth (the effect was understated),
"above" those wholly above it; each should be near 2.5 %. "SE/sd" is the mean standard error over the true spread of
the estimates: below 1, the estimator believes itself too much. "Length" is that of the interval over that of the best
known estimator in the same world. "If credible" is the coverage among the runs that the audit let pass. A dash under a
level says that no interval at that level has an end.
"""
# Sentences about worlds, by the beginning of the ids of their cells.
COVERAGE_WORLDS = {
    "D1/": """\
D1 to D4 are randomised tests: of users (D1, plain and adjusted for GMV before), with whales (D2), of GMV per session
(D3), of 40 rooms (D4).
""",
    "D6/room/twfe": """\
Two-way fixed effects are refused wherever starts differ, as in D6, also where the effect happens to be constant.
""",
    "D7/fixed/": """\
In D7 cohorts have effects of different size. In *room* each room draws its cohort, and the truth weighs cohorts by
their shares in the design: chance in the sizes of cohorts is part of the error. `callaway_santanna` counts it;
`sun_abraham`, `imputation`, `two_stage`, `etwfe` and `poisson` take sizes as given, so that their standard errors are
short there, which is shown, not judged. In *fixed* the sizes are given; standard errors are then long where they take
effects that differ for chance, as those of `two_stage` and `synthetic_did` do.
""",
}
SIZE = """\
## How often is an effect found where there is none?

At the 5 % level 4 to 6.5 % are allowed, or no interval with the reason said. A dash under a level says that nothing can
be rejected at it: so few rooms to compare with give no p-value so small.
"""
SIZE_WORLDS = {
    "D8/": """\
In D8 few of 60 rooms are treated and shocks last from week to week, which is where clustered standard errors of the
textbook reject far too often.
""",
    "D8/proportional-": """\
In its *proportional* worlds the variance of a room grows with its squared size.
""",
    "D8/proportional-visible/": """\
In *visible* ones levels show the size, and the largest rooms are treated.
""",
    "D8/proportional-hidden/": """\
In *hidden* ones no column shows the size, and the largest rooms are treated.
""",
    "D8/proportional-smallest/": """\
In *smallest* ones levels show the size, and the smallest rooms are treated.
""",
}
POWER = """\
## What would be found?

An effect of the stated size should be found 80 times in 100. "Said" is the effect that the result itself says it could
have found with 80 % power (`result.detectable`), on average.
"""
BANDS = """\
## Does the band hold the whole path of the event study?

The simultaneous 95 % band is to hold the true effect at *every* event time at once, before and after the start, in 95
of 100 runs.
"""
AUDIT = """\
## What does the audit fire on?

For each violation: how often the check made for it warned or failed, on the violating data and on the same world
without the violation; and how often the audit as a whole refused the answer. A valid world may be refused 10 % of the
time, a violation of the stated size should be refused at least 80 %.
"""
PURPOSE = """\
## Where it fails, on purpose

These cells break an assumption of the estimator. They are here because a study in which nothing fails proves nothing:
they must be seen failing.
"""
PURPOSE_WORLDS = {
    "D4/users-as-rows": """\
*Users as rows*: rooms are drawn by lot, and the call says that every user was.
""",
    "D8/persistent/": """\
*Persistent* states the price of an assumption: where few rooms are treated, how noisy they are is learnt from the rooms
without the tactic. Here the shocks of three treated rooms have the same variance as those of the others but last longer
(a correlation of .95 from week to week, not .7). No check can see that in three rooms; the interval misses the truth
more often than it says.
""",
}
RANGES = """\
Every gate but that all runs ended, with the values that would have passed:
"""
MADE = """\
## How it was made

{cells} cells, {markets:,} simulated markets, {calls:,} answers, {minutes:.0f} minutes of computing on one core;
seed {seed}; {versions}.

Cells of the same world, size and dials were asked about the same markets, so their errors move
together. The draws of a market depend on the seed, the world and the number of the run alone: any number of processes
gives the same numbers to the last bit.

Monte Carlo errors: of a share, √(q(1−q)/n) with q = (hits + 2)/(n + 4); of SE/sd, by the delta method, the standard
deviation over √n of (SEᵢ − m)/s − m((eᵢ − ē)² − s²)/(2s³), where m is the mean standard error, s the standard
deviation of the errors e and ē their mean; it takes heavy tails as they are.

```text
gmvcausal trust --out DIR
python -m gmvcausal.trust.page DIR
```
"""
GATES = """\
## Gates

A run fails where a gate does not hold and no reason is recorded beside the cell. Coverage of the 95 % interval may lie
three Monte Carlo errors from 95 %, SE/sd in .95 to 1.05, and the size at 5 % in 4 to 6.5 %, with the same allowance. A
valid cell may go without an interval in 5 % of runs, and its band must hold the whole path as often as it says; a band
that is too wide is shown and does not fail.

Few replicates widen the allowance until a wrong answer passes too. A gate that is met is therefore *undecided* where
what would have passed reaches beyond 90 to 100 % of coverage (fewer than 171 intervals), 1 to 10 % of size (fewer than
447), .8 to 1.2 of SE/sd, or below 70 % of power; and where a share lies within three Monte Carlo errors of its bound in
a run of fewer than 500. A gate that is not met fails in any number of replicates from 30 on.

For randomised tests without logs: capped rows may miss 4 to 6 % ("misses"), with three Monte Carlo errors, and 3.5 %
on each side ("tails"). The flag is to be up in 90 % of the runs of plain rows that miss more than 6 % and in 10 % of
those of the others ("flag"); where the misses lie within three Monte Carlo errors of 6 %, either is let pass, as
undecided. "at_most" is a bound of the cell's own on what is found without an effect,
"at_least" one on how often its intervals hold the truth, where they allow for more than happens.

For uplift the mean of the estimates may lie 10 % of a standard error from the truth ("bias").

`gmvcausal trust --quick` asks a part of the questions in under three minutes.
"""
