"""Figures of an evaluation, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gmvcausal.results.curves import Curves, Line
from gmvcausal.targeting.evaluate.groups import TENTHS, merged_note

if TYPE_CHECKING:
    from gmvcausal.targeting.evaluate.evaluation import Evaluation

KINDS = ("qini", "toc", "deciles", "calibration", "gates", "cost")


def _band(label: str, x: pd.Series, frame: pd.DataFrame, name: str, scale: float = 1.0) -> Line:
    values = [np.asarray(frame[c], dtype=float) * scale for c in (name, f"{name}_low", f"{name}_high")]
    return Line(label, np.asarray(x, dtype=float), values[0], low=values[1], high=values[2])


def sentences(e: Evaluation, verdicts: list[str]) -> list[str]:
    """What a page says of every arm: whether the ranking tells users apart, and how predictions are calibrated."""
    out = [f"{e.rankings[0].n:,} users who were not learned from were ranked by their predicted effect."]
    for label, said in zip(e.labels, verdicts, strict=True):
        told = f"{label}: {said}" if len(e.labels) > 1 else said
        one = e.of(label)
        if not np.ptp(one.rankings[0].score):  # one score for all is said in the notes
            out.append(told)
            continue
        slope = one.calibration().slope
        low, high = slope.conf_int(1 - e.alpha)
        if np.isfinite(slope.estimate) and np.isfinite(slope.std_error):
            told += (
                f" Between users, effects differ {slope.estimate:.2f} times as much as predicted ({low:.2f} to "
                f"{high:.2f}; 1 is right, 0 is noise)."
            )
        out.append(told)
        out += [f"{label}: {said}." if len(e.labels) > 1 else f"{said[0].upper()}{said[1:]}."
                for said in merged_note(one.rankings[0])]  # fmt: skip
    return [*out, *e.notes]


def figures(e: Evaluation) -> list[Curves]:
    """Figures of every arm; the cost curve where something costs. Groups are deciles again: left to `gates`."""
    return [
        curves(one, kind)
        for one in (e.of(label) for label in e.labels)
        for kind in KINDS
        if kind != "gates" and (kind != "cost" or float(one.curve()["cost"].iloc[-1]) > 0)
    ]


def curves(e: Evaluation, kind: str) -> Curves:
    """The figure `kind` of the first arm."""
    ranking = e.rankings[0]
    level = f"{100 * (1 - e.alpha):g} % interval at each point"
    per_user = f"{ranking.unit} per user"
    if kind in ("deciles", "calibration"):
        frame = e.deciles()
        what = "decile" if len(frame) == TENTHS else "group"
        bins, estimate = np.asarray(frame["bin"], dtype=float), np.asarray(frame["estimate"])
        low, high = np.asarray(frame["conf_low"]), np.asarray(frame["conf_high"])
        if kind == "calibration":
            at = np.asarray(frame["predicted"])
            ends = np.array([at.min(), at.max()])
            found = Line(f"estimated, by {what} ({level})", at, estimate, "points", low, high)
            title, line = (
                f"Effects predicted and estimated: {ranking.label}",
                Line("as predicted", ends, ends, "dashed"),
            )
            return Curves(title, f"Predicted, {per_user}", f"Estimated, {per_user}", (found, line), zero=True)
        lines = [Line(f"estimated ({level})", bins, estimate, "points", low, high)]
        lines.append(Line("predicted", bins, np.asarray(frame["predicted"]), "dashed"))
        title = f"Effect by {what} of the score: {ranking.label}"
        return Curves(title, f"{what.capitalize()}, 1 = highest scores", f"Effect, {per_user}", tuple(lines), zero=True)
    if kind == "gates":
        return e.gates().curves()
    frame = e.curve()
    share = frame["share"]
    if kind == "toc":
        line = _band(f"effect of the top less that of all ({level})", share, frame, "toc")
        return Curves(f"TOC: {ranking.label}", "Share treated", per_user, (line,), zero=True)
    if kind == "qini":
        by_lot = Line("treated by lot", np.asarray(share), np.asarray(frame["by_lot"]), "dashed")
        line = _band(f"treated by score ({level})", share, frame, "gain")
        return Curves(f"Gain by share treated: {ranking.label}", "Share treated", per_user, (line, by_lot), zero=True)
    spent = frame["cost"]
    line = _band(f"treated by score ({level})", spent, frame, "gain", ranking.margin)
    x = np.concatenate([[0.0], np.asarray(spent)])
    by_lot = Line("treated by lot", x[[0, -1]], np.array([0.0, ranking.margin * frame["by_lot"].iloc[-1]]), "dashed")
    even = Line("gain = cost", x[[0, -1]], x[[0, -1]], "dotted")
    words = (f"Margin gained by money spent: {ranking.label}", "Cost per user", f"Margin, {per_user}")
    return Curves(*words, (line, by_lot, even), zero=True)
