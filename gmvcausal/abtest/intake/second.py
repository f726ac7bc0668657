"""The second pass over the rows of a test as one statement: residuals, their extremes and sums, and HC2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gmvcausal.abtest.intake.blocks import FloatArray
from gmvcausal.abtest.intake.passes import Ask, Look
from gmvcausal.abtest.terms.values import Hc2
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.table import literal


def second_pass(space: Engine, source: str, values: Sequence[str], asks: Sequence[Ask]) -> list[Look]:
    """Answer all questions in one scan; see `passes.looks`.

    Parameters
    ----------
    space : Engine
    source : str
        What stands after FROM; its column a is the position of the arm.
    values : sequence of str
        The columns of the matrix, as expressions.
    asks : sequence of Ask
    """
    if not asks:
        return []
    text = _Text()
    for ask in asks:
        text.take(ask)
    used = sorted({j for _, j in text.moved})
    rows = f"SELECT a, {', '.join(f'{values[j]} AS x{j}' for j in used)} FROM {source}"
    # An arm's own numbers stand in its rows only: elsewhere they are missing, which no aggregate counts.
    moved = [f"CASE WHEN a = {a} THEN x{j} - {literal(mean)} END AS {_z(a, j)}" for (a, j), mean in text.moved.items()]
    first = f"SELECT {', '.join(moved)} FROM ({rows}) AS t"
    bent = [f"{expression} AS {name}" for expression, name in text.named.items()]
    second = f"SELECT {', '.join(bent)} FROM ({first}) AS t"
    found = space.row(f"SELECT {', '.join(text.wanted)} FROM ({second}) AS t", "data")
    number = dict(zip(text.wanted, found, strict=True))

    def told(aggregate: str | None) -> float:
        return math.nan if aggregate is None else float(number[aggregate] or 0.0)

    return [Look(*(told(x) for x in own)) for own in text.asked]


class _Text:
    """What is asked, every expression and every aggregate once."""

    def __init__(self) -> None:
        self.moved: dict[tuple[int, int], float] = {}
        self.named: dict[str, str] = {}
        self.wanted: dict[str, None] = {}
        self.asked: list[list[str | None]] = []

    def take(self, ask: Ask) -> None:
        """One question."""
        e = self._name(self._linear(ask.arm, ask.gradient, ask.mean), "e")
        tail: list[str | None] = (
            [f"max({e} * {e})", f"sum({e} * {e})", f"sum({e} * {e} * {e})"] if ask.tail else [None] * 3
        )
        own = [*tail, None if ask.hc2 is None else self._weighted(ask.arm, ask.hc2, ask.mean, e)]
        self.wanted |= dict.fromkeys(x for x in own if x is not None)
        self.asked.append(own)

    def _name(self, expression: str, stem: str) -> str:
        return self.named.setdefault(expression, f"{stem}{len(self.named)}")

    def _linear(self, arm: int, gradient: FloatArray, mean: FloatArray) -> str:
        """gradient . (row - mean)"""
        places = [int(j) for j in np.flatnonzero(gradient)]
        self.moved |= {(arm, j): float(mean[j]) for j in places}
        return " + ".join(f"{literal(gradient[j])} * {_z(arm, j)}" for j in places) or "0e0"

    def _weighted(self, arm: int, asked: Hc2, mean: FloatArray, e: str) -> str:
        """The sum of (weight e)^2 / (1 - leverage)."""
        held = asked.covariates
        self.moved |= {(arm, j): float(mean[j]) for j in held}
        lean = " - ".join([literal(1 / asked.n), *_products(asked.lean, arm, held)])
        bends = [
            f"{_z(arm, j)} * ({' + '.join(_products(row, arm, held))})"
            for j, row in zip(held, asked.inverse, strict=True)
        ]
        # A row that alone decides a slope is fitted exactly: leverage 1 and residual 0.
        rest = f"greatest({literal(1 - 1 / asked.n)} - ({' + '.join(bends)}), 1e-9)"
        w, r = self._name(lean, "w"), self._name(rest, "r")
        return f"sum({e} * {e} * ({w} * {w} / {r}))"


def _products(numbers: Any, arm: int, held: Sequence[int]) -> list[str]:
    return [f"{literal(x)} * {_z(arm, j)}" for x, j in zip(numbers, held, strict=True)]


def _z(arm: int, column: int) -> str:
    return f"z{arm}_{column}"
