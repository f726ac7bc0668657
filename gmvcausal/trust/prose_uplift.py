"""What the page says around the tables of uplift."""

UPLIFT = """\
## Uplift: averages, rankings, plans

`uplift` says what a coupon adds on average, ranks users by what it adds to each, and makes a plan under a budget. All
three are asked in trials whose true effect on every user is known. A model and a plan are judged on 20,000 users who
trained nothing (8,000 where effects are equal), and **the truth is that of the very ranking and plan that were learned
in the run**: what they are worth among 50,000 users of the same population, by the true effects. So an interval is held
to its word whether or not the ranking is any good.

Four features. One user of eight buys anything, and what a buyer spends is lognormal: GMV has a skewness of {skewness}.
A coupon brings the young to buy; the highest tier, who buy anyway, use it on what they would have bought, and some of
them lose.

Rows: `ate` the average effect by AIPW on the users who train the model; `qini`, `auuc`, `autoc` (RATE) by differences
of means, `_robust` by doubly robust scores; `top` the effect in the highest tenth of the scores; `slope` of the doubly
robust scores on the predictions; `value` of a plan that may spend 30 % of what a coupon for everyone would cost
(net, per user, doubly robust; `value_weighted` by inverse propensity weights), and its `roi`. With tails so heavy the
standard error of a run is large where its estimate lies far out: "SE/sd", which knows of means alone, then falls short
of 1 while the interval holds. Rows of 60 runs and fewer find gross errors only: their verdict is "undecided" unless a
share is clear.
"""
BY_LOT = """\
### Users by lot, half of them treated

20,000 users train the model, by the learner `dr` with two folds, which is quick: averages do not depend on the learner,
and the intervals of a ranking or a plan do not know who made it. The skewness is 38.
"""
LOPSIDED = """\
### Nine in ten in the control

The same with 2,000 treated users of 20,000 and a skewness of 16, in training as among the users kept apart: means of so
few users with so heavy a tail are skewed. The row is to hold, or to be *flagged* by the check `tail` of the audit
of the training trial. An evaluation has no flag of its own.
"""
EQUAL = """\
### Equal effects: is a ranking made up?

The coupon adds the same to everyone. No ranking is better than lot, and whatever a model has learned is noise; at most
{most} of the intervals may leave 0 out ({least} must hold it). 4,000 users train the model, and 8,000 judge it.
"""
BIAS = """\
### Bias of the average effect

Small trials of 1,000 users, half of them treated, nothing tuned. The mean of the estimates may lie {most}
of a standard error from the truth. (Intervals are shown; with 1,000 users and such a tail they are not judged.)
"""
TARGETED = """\
### Targeted users, several coupons

Through raw logs. In D11 higher tiers get the coupon more often, and the chance was written down: the average effect on
everyone, on the treated, and weighted by overlap. *Estimated* asks without the recorded chances, which is shown, not
judged. D12 has three values of a coupon by lot. In D13 chances come near 0 and 1: the effect weighted by overlap is to
hold, and the average effect to be flagged by the check `overlap`.
"""
ROOMS = """\
### Rooms

Rooms of unequal size, half of them treated by lot, each with a level of its own (sd .2) that multiplies what its users
buy; `cluster="room"`. The 40 rooms are asked with every option as it comes.
Intervals are to hold in at least {least} of runs: with so few rooms, which differ by chance more than by level, they
are wider than they need to be.
"""
