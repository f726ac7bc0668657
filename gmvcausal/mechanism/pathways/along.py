"""Slopes that vary with something known before: products of treatment and mediators with columns of a moderator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.mechanism.pathways.rows import Rows
from gmvcausal.mechanism.pathways.within import within
from gmvcausal.stats.logit import independent

FloatArray = NDArray[np.float64]
AnyArray = NDArray[Any]
# Whether the treatment is a factor, which mediator is (-1: none), and which column of the moderator.
Term = tuple[bool, int, int]


@dataclass(frozen=True, eq=False)
class Along:
    """What lets every step vary with something known before.

    Attributes
    ----------
    w : ndarray, shape (n, q)
        Columns of the moderator, of mean 0 and spread 1.
    outcome, first : tuple of Term
        Products in the outcome's regression, and in that of each mediator; they stand last in both.
    lost : int
        Products that the others tell, left out.
    """

    w: FloatArray
    outcome: tuple[Term, ...]
    first: tuple[Term, ...]
    lost: int = 0

    def columns(self, terms: Sequence[Term], t: FloatArray, m: FloatArray) -> FloatArray:
        """The products as columns, shape (n, terms)."""
        made = [self.w[:, c] * (t if with_t else 1.0) * (m[:, j] if j >= 0 else 1.0) for with_t, j, c in terms]
        return np.column_stack(made) if made else np.zeros((len(t), 0))

    def added(self, terms: Sequence[Term], beta: AnyArray, t: AnyArray, value: Sequence[AnyArray]) -> AnyArray:
        """What the products add to an index; `beta` are the slopes of the whole regression."""
        out: AnyArray = np.zeros(1)
        for slope, (with_t, j, c) in zip(beta[len(beta) - len(terms) :], terms, strict=True):
            out = out + slope * self.w[:, c] * (t if with_t else 1.0) * (value[j] if j >= 0 else 1.0)
        return out


def along_of(rows: Rows, w: FloatArray, crossed: Sequence[int]) -> Along:
    """Products of `w` with treatment, mediators and (where these are crossed) both; those that others tell left out.

    Parameters
    ----------
    rows : Rows
    w : ndarray, shape (n, q)
    crossed : sequence of int
        Mediators whose slopes differ between the arms.

    Raises
    ------
    DesignError
        There are hardly more rows than slopes.
    """
    w = (w - w.mean(axis=0)) / w.std(axis=0)
    k, places = rows.m.shape[1], range(w.shape[1])
    terms: list[Term] = [(True, -1, c) for c in places]
    terms += [(False, j, c) for j in range(k) for c in places]
    terms += [(True, j, c) for j in crossed for c in places]
    made = Along(w, tuple(terms), tuple((True, -1, c) for c in places))
    cross = [rows.t * rows.m[:, j] for j in crossed]
    base = np.column_stack([np.ones(rows.n), rows.t, rows.m, *cross, rows.x])
    if rows.n <= base.shape[1] + len(terms) + 3:
        raise DesignError(
            f"{rows.n:,} rows are too few for {base.shape[1] + len(terms)} slopes, {len(terms)} of them of moderator=",
            remedy="take a moderator with fewer levels, fewer covariates, or interaction=False",
        )
    whole = np.column_stack([base, made.columns(terms, rows.t, rows.m)])
    if rows.fixed:
        moved = within(whole, rows.fixed)
        assert moved is not None  # the rows were refused otherwise
        whole = moved
    size = np.sqrt((whole * whole).mean(axis=0))
    keep = independent(whole / np.where(size > 0, size, 1.0))[base.shape[1] :]
    stay = tuple(term for term, ok in zip(terms, keep, strict=True) if ok)
    first = tuple(term for term in made.first if term in stay)
    return Along(w, stay, first, len(terms) - len(stay))
