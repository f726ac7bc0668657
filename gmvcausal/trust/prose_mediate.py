"""What the page says around the tables of mediation."""

MEDIATE = """\
## Mediation: direct and indirect effects

`mediate` shares the effect of a raffle out among the ways it may have come. {users:,} users through raw logs, half of
them by lot, {draws} draws of users in every run; the total has a t interval, its parts percentiles of the draws. So few
users make wide intervals: the tables say whether these are honest, not whether they are narrow.
"""
ONE = """\
### One mediator

The raffle moves interaction, and interaction moves GMV; activity, which moves both, is a covariate.
"""
THREE = """\
### Three mediators

Watching and sharing beside interaction, side by side. The parts add up to the total in every run.
"""
NONE = """\
### Nothing by way of it

The raffle leaves interaction alone (*not-moved*), or interaction brings nothing (*moves-nothing*). An indirect effect
may be found in at most {most} of runs.
"""
HIDDEN = """\
### A cause that nobody recorded

It moves interaction and GMV alike. The total, which rests on the lot alone, stays right; the parts do not, and no check
can see it: that is what the rho curve is for. 6,000 users.
"""
