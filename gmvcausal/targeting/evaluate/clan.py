"""Who gains most and who least: what is known of the first and of the last group of a ranking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.stats.inference import critical_value, p_value
from gmvcausal.stats.multiplicity import adjust
from gmvcausal.stats.small_cells import MIN_CELL, small
from gmvcausal.stats.small_columns import hidden_columns, tally
from gmvcausal.stats.tied import beside_tied, ties
from gmvcausal.targeting.evaluate.groups import effect_of, parts, refuse_no_ranking
from gmvcausal.targeting.evaluate.ranked import FloatArray, Side, rank
from gmvcausal.targeting.evaluate.scores import fewest, spread

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.targeting.evaluate.ranking import Ranking


def clan(ranking: Ranking, traits: Mapping[str, FloatArray], groups: int, alpha: float) -> pd.DataFrame:
    """Means of every trait in the first and in the last group, and their difference; see `Evaluation.clan`."""
    import pandas as pd

    refuse_no_ranking(ranking)
    ranked = rank(ranking.score, ranking.sides(True))
    # What is known of users does not hang on their arm: ten users in a group are enough.
    every = list(parts(ranked, max(min(groups, ranked.n // MIN_CELL), 2) if ranking.people else groups))
    first, last = every[0], every[-1]
    cluster = None if ranking.cluster is None else ranking.cluster[ranked.at()]
    # What is known of users does not hang on their arm: the two groups vary by themselves (rooms may be in both).
    group = (last > first).astype(np.int64) if cluster is None else ranking.sides_of(ranked.at())
    rows, dfs, held = [], [], []
    for name in traits:
        value = np.asarray(traits[name], dtype=float)
        if value.shape != (ranking.n,):
            raise InputError(f"the trait {name!r} must hold one number per user, {ranking.n:,}")
        value = value[ranked.at()]
        known = np.isfinite(value)
        # From their middle on, so that a common size costs no digits.
        middle = float(value[known].mean()) if known.any() else 0.0
        sides = [Side(1, known.astype(float), np.where(known, value - middle, 0.0))]
        most, of_first = effect_of(first, sides)
        least, of_last = effect_of(last, sides)
        cov, df = spread((of_first - of_last)[:, None], cluster, group, (first + last) * known)
        one = float(np.sqrt(cov[0, 0]))
        behind = min(fewest(part, [known], cluster) for part in (first, last))
        dfs.append(float(df[0]))
        if ranking.people:
            held.append(tally(np.where(known, value, np.nan), (first, last)))
        n = [float(part[known].sum()) for part in (first, last)]
        # A trait that is the same for everybody differs by rounding alone.
        tiny = 1e-12 * float(np.abs(value[known]).max(initial=0.0))
        apart = 0.0 if abs(most - least) <= tiny else most - least
        one = 0.0 if one <= tiny else one
        rows.append((name, most + middle, least + middle, apart, one if behind >= 2 else np.nan, *n))
    out = pd.DataFrame(rows, columns=["feature", "most", "least", "difference", "std_error", "n_most", "n_least"])
    gap, error = (out[c].to_numpy(dtype=float) for c in ("difference", "std_error"))
    raw = p_value(gap, error, np.array(dfs))
    raw[(error == 0) & (gap != 0)] = 0.0  # it tells the groups apart without exception, and is one of the tests
    family = adjust("holm", raw, alpha)
    level = 1 - np.where(np.isnan(family.interval_alpha), alpha, family.interval_alpha)
    half = np.array([critical_value(*v) for v in zip(level, dfs, strict=True)]) * error
    out = out.assign(p_value=family.p_value, conf_low=gap - half, conf_high=gap + half)
    out = out[[*out.columns[:5], "p_value", "conf_low", "conf_high", "n_most", "n_least"]]
    if ranking.people:
        of_whom = out[["n_most", "n_least"]].to_numpy(float)
        missing = np.array([first.sum(), last.sum()]) - of_whom
        gone = hidden_columns(list(traits), held) | small(np.ceil(of_whom - 1e-9)).any(axis=1)
        if gone.any():  # dummies of a whole, one of them hidden
            x = [np.asarray(traits[name], dtype=float)[ranked.at()][first + last > 0] for name in traits]
            gone = beside_tied(ties([np.where(np.isfinite(column), column, np.nan) for column in x]), gone)
        out.loc[gone, out.columns[1:8]] = np.nan
        out.loc[gone | small(np.ceil(missing - 1e-9)).any(axis=1), ["n_most", "n_least"]] = np.nan
    return out
