"""What the page says around the tables of `spillover`."""

SPILLOVER = """\
## Spillover: friends, conditions, rooms

`spillover` is asked for one's own effect, that of all friends, and both. The truth is that of everyone treated against
nobody, and no user of any run has seen either.
"""
LINE = """\
### Along the line

`D18`: 2,000 users with about eight friends each, through raw logs, every one drawn by lot; one's own membership adds
8 yuan and that of all friends 8. `line`: four friends, drawn without logs. `beyond`: friends of friends matter too
(120 yuan), so that the total is too small, and the check `second_order` is to fire. `bent`: what counts is one treated
friend at all (40 yuan), and `linear_share` is to fire. `naive` is the difference of means held against the total (two
friends, who bring 24 yuan): it is to be seen missing it.
"""
ANY = """\
### Between exposure conditions

`exposure="any"`, three in ten treated, four friends; what counts is one treated friend at all. The variance is an upper
bound, so intervals may hold more often than 95 %; they are to do so in at least {least} of runs.
"""
ROOMS = """\
### Rooms at several saturations

Thirty rooms of 40 users, ten each with nobody, half and everybody treated; rooms differ by more than chance among
users.
"""
FISHER = """\
### Fisher's test of no spillover

1,000 users, half of them held as they were, 199 draws. Without spillover at most {most} may be rejected at 5 %;
`24` says how often 24 yuan from all friends are found.
"""
