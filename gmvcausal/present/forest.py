"""The forest plot of a pooled estimate: studies by weight, their mean, and where a further one is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.present import digits, phrases, style, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 60


def forest(result: Any) -> Figure:
    """Squares as large as weights, a diamond for the mean, a dotted line for the prediction interval."""
    frame = result.to_frame()
    study = frame[frame["role"] == "study"]
    left_out = max(len(study) - _MOST, 0)
    study = study.head(_MOST)
    rows = np.arange(len(study), 0, -1) + 1.0
    figure, axes = style.drawing(7.4, 1.9 + 0.3 * (len(study) + 2))
    style.bare(axes, zero="x")
    refused = words.verdict(result) == "refused"
    color = style.GREY if refused else style.BLUE
    axes.hlines(rows, study["conf_low"], study["conf_high"], color=style.INK, linewidth=1.2)
    weight = study["weight"].to_numpy(float)
    axes.scatter(study["estimate"], rows, s=18 + 170 * weight / weight.max(), marker="s", color=style.INK, linewidth=0)
    for row, share in zip(rows, weight, strict=True):
        axes.text(1.01, row, digits.percent(share), transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    ticks = [(row, digits.cut(digits.inline(t), 34)) for row, t in zip(rows, study["term"], strict=True)]
    one = frame[frame["role"] == "pooled"].iloc[0]
    x = [one["conf_low"], one["estimate"], one["conf_high"], one["estimate"]]
    axes.fill(x, [1, 1.25, 1, 0.75], color="white" if refused else color, edgecolor=color, linewidth=1.2)
    ticks.append((1.0, "mean over studies"))
    for _, new in frame[frame["role"] == "prediction"].iterrows():
        axes.hlines(0, new["conf_low"], new["conf_high"], color=color, linewidth=1.6, linestyle=":")
        ticks.append((0.0, "a further study"))
    axes.set_yticks([t[0] for t in ticks], [t[1] for t in ticks])
    axes.set_ylim(-0.6, len(study) + 1.6)
    axes.set_xlabel(style.wrapped(result.unit, 70))
    more = f"; {left_out} more not drawn" if left_out else ""
    heading = f"Studies with {phrases.level_words(result)}s; right: weight{more}"
    style.title(axes, heading, phrases.failed_names(result))
    return figure


def describe(result: Any) -> str:
    """The forest in words."""
    k = len(result.studies())
    return f"{k} studies with their intervals and weights, and their mean, in {digits.inline(result.unit)}."
