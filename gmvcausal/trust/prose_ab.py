"""What the page says around the tables of randomised tests."""

TESTS = """\
## A/B tests: heavy tails, clusters, many looks

GMV per user is mostly zeros with a heavy tail. The worlds of this section are drawn as `ab_test` and `sequential` see
them, without logs, so that there may be two million users in a test; D1 to D4 above go through raw logs.
"""
HEAVY = """\
### Heavy tails

5 % of the users buy; what a buyer spends is lognormal, σ being the standard deviation of its logarithm. With an effect,
the tactic raises both the share of buyers and what they spend by 5 %. In a 10/90 split the treated arm is the smaller
one. The arms are compared by their relative effect, whose interval is Fieller's.

The *capped* row is held against the lift of E min(Y, c) at the population's cap c, the .98 quantile of the non-zero
values of both arms; the row itself cuts at the sample's. From 20,000 users in the smaller arm on it is to miss 4 to
6 % of the time, and each tail at most 3.5 %. The *plain* row is held against the lift of E Y. It is to miss at most
6 %, or to be *flagged* by the check `tail` in at least 90 % of the runs; a test that is sound is to be flagged in at
most 10 %. "Below" and "above" count intervals that lie wholly below and above the truth. "None": no relative interval
is given, because the control's mean is not distinguishable from zero; misses are of the others.
"""
LOG_DELTA = """\
The same draws of 20,000 users in the smaller arm and no effect, asked with `lift="log"`, the interval by the delta
method on the logarithm of the ratio that most tools give:
"""
ROOMS = """\
### Clusters

Rooms by lot, half of them treated, without an effect. The number of users of a room is lognormal around 50 (sd of the
logarithm .5), GMV per user lognormal (σ = 1, skewness about 6), and 5 % of the variance of its logarithm lies between
rooms. From 40 rooms on 4 to 6 % may be rejected at 5 %, with fewer at most 7 %.
"""
LOOKS = """\
### Many looks

The users of the table of heavy tails, without an effect, come in over 14 days; `sequential` looks every day, with
O'Brien-Fleming spending. An effect may be found at some look in 5.5 % of tests. Fourteen looks do not mend a tail: in
a 10/90 split values must be cut at a cap fixed before the test ("capped"); without one the test rejects more often
than it says, which is why that cell is here.
"""
