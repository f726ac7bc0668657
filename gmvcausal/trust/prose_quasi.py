"""What the page says around the tables of designs without a lot of their own."""

QUASI = """\
## Instruments, thresholds, piles of baskets

Nobody drew who is treated; something else is to tell. A violation is asked beside each clean world, and the audit is to
refuse it where it can. What it cannot see is shown as it is.
"""
IV = """\
### Instruments

D14 through raw logs: half of 10,000 users are sent a push by lot, and some of them get it. *Two-sided*: of those in
reach 30 % have it without being sent it. *Weak* (4,000 users): 93 % of them do, so that sending changes little. The
Anderson–Rubin set is then often the whole line, or two rays, of which the hull is counted: such sets hold the truth. In
*direct* what is sent adds as much by itself where it does not arrive: no data show that, and intervals miss.
"""
THRESHOLD = """\
### A rule with a threshold

D15 through raw logs, 8,000 users: who spent 300 before has a coupon. In *chosen* (20,000 users) 35 % of those 40 or
less below knew of it and topped up; the check `density` is to refuse.
"""
BUNCHING = """\
### A threshold that shoppers choose

20,000 orders with the promotion; of baskets 60 or less below 300, 35 % are topped up, to at most 315. *Compare* has as
many orders without the promotion, *curve* none; in *users* each has three orders and tops up always or never; in
*heaps* 10 % of baskets are one product of 99, 199, 299, ... *Converge* searches the lower end of the window where
orders missing and in excess balance, and is shown: its end lies too far down more often than not.
200 draws of the bootstrap each. Violations: 2 % *new orders* at 300 and above, seen with a comparison; another rung of
the *ladder* at 200, seen without one.
"""
