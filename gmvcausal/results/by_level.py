"""What every `by()` settles: how many levels, how they are adjusted, whether they were moved, what is left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.facts import holds_people
from gmvcausal.frames.params import check, flag, one_of
from gmvcausal.results.audit import Check
from gmvcausal.results.rule import Rule
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.multiplicity import adjust
from gmvcausal.stats.small_cells import MIN_CELL, enough, small

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MOST_LEVELS = 50
SMALL = MIN_CELL  # units of an arm below which a level is not shown: too few to tell, and too few to hide a person
# One reason for small levels and for those hidden with them: which is which must not be told.
FEW_IN_ARM = f"hidden: n < {SMALL} in an arm, here or in a level hidden with it"
FEW_ON_SIDE = f"hidden: n < {SMALL} on a side, here or in a level hidden with it"
SHARED_CLUSTERS = "clusters by {!r} lie in several levels, so that their estimates depend on each other"

# Checks of `by()`, beside those of the whole.
SEGMENT_RULES: dict[str, Rule] = {
    "segment_balance": Rule(
        "p-value of the chi-square test that the levels of the segment have the same shares in all arms",
        fail=1e-6,
        small_is_bad=True,
    ),
    "segment_levels": Rule("levels of the segment that are not estimated", 0),
}


class Family(NamedTuple):
    """P-values of a whole and its levels, the levels' adjusted for their number.

    Attributes
    ----------
    p_value : ndarray, shape (1 + levels,)
    share : ndarray, shape (1 + levels,)
        Share of alpha at which the interval of each is made.
    said : str
        The adjustment in words; empty without one.
    """

    p_value: FloatArray
    share: FloatArray
    said: str


class Test(NamedTuple):
    """How the test of equal effects is made: by Welch's distribution, or by `reps` deals of the levels."""

    dealt: bool
    reps: int
    seed: int
    progress: bool

    @classmethod
    def checked(cls, test: Any, reps: Any, seed: Any, progress: Any) -> Test:
        """Options of `by()`.

        Raises
        ------
        InputError
        """
        dealt = one_of("test", test, ("welch", "permutation")) == "permutation"
        return cls(dealt, check("draws", reps, called="reps"), check("seed", seed), flag("progress", progress))

    @property
    def options(self) -> dict[str, Any]:
        """For the manifest; nothing where they decide nothing."""
        return {"test": "permutation", "reps": self.reps} if self.dealt else {}


def refuse_levels(column: str, labels: Collection[object]) -> None:
    """Refuse a segment of one level, or of more than can be compared; a level named as the row of the whole is.

    Raises
    ------
    InputError
    """
    levels = len(labels)
    if not 2 <= levels <= MOST_LEVELS:
        raise InputError(
            f"segment {column!r} has {levels:,} level{'' if levels == 1 else 's'}; 2 to {MOST_LEVELS} can be compared",
            column=column,
            remedy="name a column of groups, for example a tier or a city, and merge rare ones",
        )
    if any(str(label) == "all" for label in labels):
        raise InputError(
            f"segment {column!r} has a level called 'all', as the row of all levels together is",
            column=column,
            remedy="give that level another name",
        )


def people_of(
    level: IntArray, levels: int, arm: IntArray, arms: int, cluster: IntArray | None, cluster_name: str
) -> IntArray:
    """How many people every level has in every arm: rows, or clusters where clusters are people.

    Returns
    -------
    ndarray of int, shape (levels, arms)
    """
    cell = level.astype(np.int64) * arms + arm
    if cluster is not None and holds_people(cluster_name):
        cell = np.unique(np.column_stack([cell, cluster]), axis=0)[:, 0]
    return np.bincount(cell, minlength=levels * arms).reshape(levels, arms)


def few_people(people: IntArray) -> BoolArray:
    """Which levels have too few people in an arm to be shown, shape (levels,), from counts of shape (levels, arms)."""
    return np.asarray(small(people).any(axis=1))


def hidden_beside(people: IntArray, kept: BoolArray) -> BoolArray:
    """Which of the levels `kept` are hidden as well, the smallest first.

    A level that is left out alone follows from the whole and the levels shown, its size and its means. Where it has few
    people in an arm, another level goes with it.

    Parameters
    ----------
    people : ndarray of int, shape (levels, arms)
    kept : ndarray of bool, shape (levels,)

    Examples
    --------
    >>> people = np.array([[200, 200], [18, 17], [2, 2]])
    >>> hidden_beside(people, np.array([True, True, False])).tolist()
    [False, True, False]
    """
    out = np.zeros(len(people), dtype=bool)
    for k in np.argsort(people.sum(axis=1), kind="stable"):
        gone = people[~kept | out]
        if all(enough(arm[arm > 0]) for arm in gone.T if small(arm).any()):
            break
        out[k] = kept[k]
    return out


def none_left(column: str, level: str, why: str) -> DesignError:
    """The error where no level can be shown, with the first as the example."""
    return DesignError(f"no level of {column!r} can be shown: {level}: {why}", column=column, remedy="merge levels")


def family(how: str | None, p: FloatArray, alpha: float) -> Family:
    """Adjust the p-values of the levels, all but the first, for their number.

    Parameters
    ----------
    how : {"holm", "bh", None}
    p : ndarray, shape (1 + levels,)
        That of the whole first.
    alpha : float

    Examples
    --------
    >>> found = family("holm", np.array([0.3, 0.01, 0.04]), 0.05)
    >>> found.p_value.tolist(), found.share.tolist()
    ([0.3, 0.02, 0.04], [1.0, 0.5, 0.5])
    """
    out, share = p.copy(), np.ones(len(p))
    if how is None:
        return Family(out, share, "")
    found = adjust(how, p[1:], alpha)
    out[1:] = found.p_value
    share[1:] = np.where(np.isnan(found.interval_alpha), 1.0, found.interval_alpha / alpha)
    return Family(out, share, found.said)


def apart(cluster: IntArray | None, level: IntArray) -> bool:
    """Whether the levels share no cluster, so that their estimates are independent."""
    if cluster is None:
        return True
    pairs = np.unique(cluster.astype(np.int64) * (int(level.max()) + 1) + level)
    return len(pairs) == len(np.unique(cluster))


def balance_check(
    segment: str, level: IntArray, away: BoolArray, arm: IntArray, arms: int, cluster: IntArray | None,
    cluster_name: str,
) -> Check:  # fmt: skip
    """Whether the levels have the same shares in all arms, as a segment fixed before a draw by lot has.

    Parameters
    ----------
    segment : str
    level : ndarray of int, shape (n,)
    away : ndarray of bool, shape (levels,)
        Levels that are hidden for their size; they are counted as one, for a test of each would tell what it is.
    arm : ndarray of int, shape (n,)
    arms : int
    cluster : ndarray of int, shape (n,), optional
        What was assigned together: clusters are counted then.
    cluster_name : str
    """
    from scipy import stats

    rule = SEGMENT_RULES["segment_balance"]
    if cluster is not None:
        first = np.unique(cluster, return_index=True)[1]
        if not apart(cluster, level) or not apart(cluster, arm):
            why = f"clusters by {cluster_name!r} lie in several levels or arms, so levels cannot be counted by cluster"
            return Check("segment_balance", "not_run", why)
        level, arm = level[first], arm[first]
    level = np.unique(np.where(away, -1, np.arange(len(away)))[level], return_inverse=True)[1]
    levels = int(level.max()) + 1
    cells = np.bincount(level * arms + arm, minlength=levels * arms).reshape(-1, arms).astype(float)
    p = float(stats.chi2_contingency(cells, correction=False).pvalue)
    status = rule.status(p)
    remedy = "" if status == "passed" else (
        "name a segment that was fixed before assignment: this one was moved by the tactic, or the arms were not drawn "
        "by lot"
    )  # fmt: skip
    have = "have the same shares in all arms" if status == "passed" else "do not have the same shares in all arms"
    merged = ", those hidden as one," if away.any() else ""
    message = f"the {levels} levels of {segment!r}{merged} {have}: {p_words(p)}"
    return Check("segment_balance", status, message, p, rule.bound, remedy)


def levels_check(segment: str, levels: int, hidden: Sequence[tuple[Any, str]]) -> Check:
    """How many levels are estimated, and why the first others are not: pairs of level and reason."""
    rule = SEGMENT_RULES["segment_levels"]
    status = rule.status(len(hidden))
    told = "; ".join(f"{level}: {why}" for level, why in hidden[:5]) + (", ..." if len(hidden) > 5 else "")
    message = f"{levels - len(hidden)} of {levels} levels of {segment!r} are estimated"
    remedy = "" if status == "passed" else "merge small levels; the test of equal effects knows only those estimated"
    message = f"{message} ({told})" if told else message
    return Check("segment_levels", status, message, float(len(hidden)), rule.bound, remedy)
