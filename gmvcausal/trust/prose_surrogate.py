"""What the page says around the table of surrogates."""

SURROGATE = """\
## Surrogates: ninety days from two weeks

`surrogate` foretells the effect on a long outcome. 1,000 users, half of them by lot with a tactic that brings visits;
visits and GMV of two weeks, and a taste known before, make GMV of ninety days; a history of 1,500 users has both.
Intervals are to hold the truth where nothing goes past the surrogates (`holds`), also where the history is of users
with less taste (`other-users`), and where the outcome is known for {known} of the experiment (`known`). `score` and
`trees` are shown, not judged: the first takes users to follow logits, which they do only nearly, so that it lies a
third of its spread off the truth; the second needs more runs than are made here.

Two things break it. The tactic adds {direct:g} to ninety days past the surrogates (`past`): without known outcomes
nothing in the data says so, and the interval must be seen missing; with them the check `surrogacy` is to refuse. Or all
long outcomes of the experiment are {season:g} above what the history foretells (`season`), which leaves the
effect right and is refused by `same_relation`, because a relation that moved may have moved for one arm.
"""
