"""What the page says around the tables of one series."""

SERIES = """\
## One series before and after

`before_after` says what a day would have had, from the days before and from series that the tactic did not reach. Daily
GMV remembers: the noise of its logarithm is an autoregression of .7 with a standard deviation of 10 %.
"""
SIZE = """\
### Nothing to find

60 days before and 14 in the window, and 100 before and 28 in it. `alone` has no control series, so the audit refuses
every headline, and the interval is right all the same, as nothing but noise happens. `hac` is the textbook's regression
with Newey and West's errors, shown so that it can be seen. Asked for: at most {most} found at 5 %.
"""
GAIN = """\
### A gain of 10 %

One control series. `structural` is the level that wanders. Asked for: at least {least} of the 95 % intervals hold.
"""
FESTIVAL = """\
### A festival in the window (world D17)

The tactic adds 2,000 a day from 2 November, and 11.11 multiplies GMV by eight. `beside` has a second platform that had
the festival too, and says so (`promotions_shared=True`); `unsaid` does not, and every run must be refused; so must be
`alone`, which takes both as one series. `half-a-festival` says it of one that had half of it, and `regression` weighs
the platform by a coefficient learned on quiet days: both must be refused too.
"""
