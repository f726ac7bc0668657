"""What the page says around its tables of roll-outs."""

ROLL_OUTS = """\
## Roll-outs: zeros, covariates, few rooms, bounds, tests

The tables above ask every estimator in the worlds D5 to D10, through raw logs. The worlds of this section are drawn as
`did` sees them, as a panel. Verdicts are those of the [gates](#gates).
"""
RATIOS = """\
### GMV with zeros: who is least far from the truth?

200 units, half of them treated, from one start (12 weeks, the sixth) or from three (20 weeks). In every week half of
the units sell nothing; what the others sell is lognormal (σ = 1) around size × season, sizes being lognormal (sd of the
logarithm .5). The tactic adds 30 %; trends are parallel in ratios. *Lasting* says what is correlated by .7 from week to
week: nothing, the logarithms of amounts, or these and the normal variable that decides whether anything is sold. The
effect is asked for in money (level ATT). "Less" is by how much the root mean squared error falls short of the default's
(`callaway_santanna`), with a Monte Carlo error that takes the two as independent, which is more than it is. *adjusted*
is the default with `covariates=` GMV before the first start, its mean and its last value, by regression.

**Cohorts of equal means** (lots), where trends are parallel in money too.
"""
LARGER = """\
**The treated twice as large.** Trends are parallel in ratios only, which of the four only `poisson` assumes; the others
are shown for their bias. The season lifts the treated by as much more as they are larger: by −3.3 from the last week
before the start to the weeks after it, by 1.1 from all weeks before it. So the default and imputation are off by that,
which here is little beside chance, and imputation, which estimates fewer things than Poisson, has the smaller error.
Where growth or promotions between before and after are larger, so is the bias, and in large samples nothing else is
left.
"""
LIMITS = """\
What limits the gain: the default measures from the last week before the start, `poisson` and `imputation` from the mean
of all. With one start, P weeks before and Q after it, and errors that do not last, the variance falls from 1 + 1/Q to
1/P + 1/Q. Errors that last take from that: where GMV itself (not its logarithm) had a correlation of .7, 6 weeks before
and after would leave 5 % of the root mean squared error to gain, and weights made for that correlation (GLS) 12 %.
Zeros drawn anew each week bring the correlation of GMV down to .23, and zeros that last to .45; the best weights would
then gain 1 to 4 points on equal ones. With one start *adjusted* gains more, because it need not take the past at its
face value; for the same reason it is wrong where the treated are larger: their past is taken for luck. It is right only
where lots or a calendar decided who came first, and is not recommended otherwise.
"""
CAPPED = """\
Outcomes capped with `winsorise=0.99`, 400 units, the first of the worlds above; the truth is the effect on outcomes
capped at the population's quantile:
"""
GIVEN = """\
### Trends that depend on what decided who was treated

500 units, two columns x1 and x2 that move trends and the odds of being treated. *line* or *curve*: whether the trend is
linear in the columns or bends with x1²; *logit* or *curve*: the same of the log odds. Outcome regression needs the
first to be linear, `ipw` the second, `doubly_robust` one of the two. *matched*: `gc.match` on the columns, then `did`
with its weights (PSM-DID). *none*: no covariates.
"""
DESIGNS = """\
### Triple difference, switching, dose

40 cities, ten units in each, five of them eligible. Half of the cities are treated and grow by themselves; eligible
units catch up everywhere; shocks are common to a city, to its units of one kind, and a unit's own. *triple* is
clustered by city; *eligible-alone* is the default among the eligible; *triple-by-unit* takes units as independent.

*paused* and *carried*: 300 units, half of them under a tactic that switches on and off, worth 2 in every period under
it; *carried*: and 1 in the period after one. *switching* is what follows from the tactic per period under it,
*at-the-switch* the row DID_M of the same answers, which takes units that have left as if they had never joined.

*values-lot* and *values-answers*: 500 units, three in five with a coupon of 5, 10 or 20. *effect* is the headline of
`estimator="dose"`, *slope* its effect per unit of dose. With *answers* those who answer more are sent more: parallel
trends hold, strong ones do not.
"""
FEW = """\
### Few treated rooms: other inference, other estimators, zeros

Rejections at 5 % without an effect, by number of treated rooms of 60, 20 weeks, the tenth the first. *Equal*: rooms
like those of D8, normal shocks that last (.7), treated by lot. *Largest*: the standard deviation of a room is in
proportion to its size (lognormal, .6), and the largest are treated. *Zeros*: rooms of the world of zeros above, amounts
that last, treated by lot. *default* is `callaway_santanna` as it comes. "None": refused, or no interval, with the
reason said. A dash: not asked, mostly because it is refused there (`wild` and `poisson` below ten treated).
"""
SIZED = """\
Five of sixty rooms treated whose shocks are in proportion to a size (lognormal, 1) that a column holds, drawn from the
upper half but the largest:
"""
PLACES = """\
### Neighbours

250 rooms on a map of 150 × 150 km, no effect; shocks and treatment of rooms less than 20 km apart are alike.
`inference="conley"` with that cutoff, and rooms taken on their own:
"""
UNLIKE = """\
### Rooms unlike the others

30 rooms, a common movement with drift that reaches rooms more or less, 20 weeks before the start and 10 after it; the
one treated is among those that it reaches most, so that trends are not parallel.
"""
HONEST = """\
### Sensitivity to trends that differ

200 units, 5 weeks before the start and 3 after it. *moves*: the difference in trends moves once before the start, by so
much ("move", in units of the outcome; the standard error of a lead is about .3), and after it by M̄ times as much every
week in the same direction: just what `sensitivity()` allows for, so that nothing is to spare. *slopes*: its slope grows
by M every week. Intervals are to hold the mean effect after the start in at least 94 % of runs. The last line is the
interval under parallel trends, for comparison.
"""
KIT = """\
### The tests of the referee's kit

Rejections at 5 % where there is nothing to find. *by*: the test that effects are equal, of segments that say nothing.
*leads* and *slope*: the p-values of the checks `pre_trend` and `pre_trend_slope`, which warn below 5 % and fail below 1
% where what they see is large enough to matter. *placebo-unit*: `placebo("unit")`, 99 false lots, for 30 of 60 rooms
drawn by lot, and for the five largest, which is no lot. *200*: the units of the last section, with parallel trends;
*zeros*: the shop above with three starts and no effect.
"""
FIRED = """\
### False alarms of the audit
"""
PULL = """\
### Gains taken from elsewhere: nets, shares, the check

*all-from-week-2*: D9 through raw logs, 60 rooms, half of them with +20 % in the first week and −20 % in the second, so
that the net over four weeks is zero and the share borrowed one; *half-from-weeks-2-and-3*: half of the gain is taken,
in two weeks. `pull_forward(4)` of the estimator's event study. *elsewhere*: `cannibalisation("elsewhere")`, 60 rooms
whose gain of 10 costs 6 of another outcome; the shocks of the two go together (−.5) and last (.7).
"""
PULL_FIRES = """\
How often the check `pull_forward` of `did` itself warns in the first of these worlds: with all weeks, and with a table
that ends with the first week of the sale:
"""
PULL_ALARMS = """\
How often it warns of a dip where none is: a gain of one week after which nothing is missing (rooms like
those of D9, drawn as a panel), no effect, or one that lasts; at most 7 % are allowed:
"""
