"""What a test's days are shown as: the daily effect, and looks for `sequential`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.abtest.days.cells import Cells
from gmvcausal.abtest.days.days import Days, missing_metric
from gmvcausal.abtest.intake.rows import FloatArray
from gmvcausal.abtest.looks.read import correlated_information
from gmvcausal.abtest.metrics import Mean, Metric, Proportion, Ratio, name_of, parts
from gmvcausal.errors import DesignError, InputError
from gmvcausal.results.curves import Curves, Line
from gmvcausal.stats.inference import critical_values
from gmvcausal.stats.small_sample import welch_df

if TYPE_CHECKING:
    import pandas as pd

_COUNTED = {
    "all": "all units of the arm",
    "entered": "units of the arm that had entered by the day",
    "arrived": "units of the arm that came in on the day (cumulative: by the day)",
    "zero": "all units of the arm, days without a row counting as zero",
}


def daily(days: Days, clusters: str, alpha: float) -> pd.DataFrame:
    """Effect on each day and up to each day; see `AbResult.daily`."""
    import pandas as pd

    independent(days, clusters)
    own, far = days.by_day(), days.so_far()
    frames = []
    for metric in _with_days(days):
        for arm, label in enumerate(days.labels):
            if arm == days.control:
                continue
            at = [_values(cells, days, metric, [arm, days.control]) for cells in (own, far)]
            (value, *today), (_, *so_far) = (_effects(v, n, alpha) for v, n in at)
            frames.append(
                pd.DataFrame(
                    {
                        "metric": name_of(metric),
                        "arm": label,
                        days.calendar.word: days.calendar.times(),
                        "n_treated": own.n[:, arm].astype(np.int64),
                        "n_control": own.n[:, days.control].astype(np.int64),
                        "treated": value[:, 0],
                        "control": value[:, 1],
                        **dict(zip(("estimate", "std_error", "conf_low", "conf_high"), today, strict=True)),
                        **dict(
                            zip(
                                ("cumulative", "cumulative_std_error", "cumulative_low", "cumulative_high"),
                                so_far,
                                strict=True,
                            )
                        ),
                    }
                )
            )
    out = pd.concat(frames, ignore_index=True)
    out.attrs["gmvcausal"] = {"counted": _COUNTED[days.shape], "level": 1 - alpha}
    return out


def looks(days: Days, clusters: str, metric: str | None, arm: Any) -> pd.DataFrame:
    """Cumulative day x arm cells of one metric; see `AbResult.looks`."""
    import pandas as pd

    independent(days, clusters)
    known = [m for m in _with_days(days) if not isinstance(m, Ratio)]
    if not known:
        raise DesignError(
            "no metric is a mean or a share, so there are no looks to take", remedy="add gc.Mean of the numerator"
        )
    chosen = known[0] if metric is None else next((m for m in known if name_of(m) == metric), None)
    if chosen is None:
        raise missing_metric(metric, [name_of(m) for m in known])
    others = [i for i in range(len(days.labels)) if i != days.control]
    if arm is not None:
        others = [i for i in others if days.labels[i] == arm or str(days.labels[i]) == str(arm)]
    if len(others) != 1:
        listed = ", ".join(repr(v) for i, v in enumerate(days.labels) if i != days.control)
        raise InputError(
            f"looks compare one arm with the control, but arm is {arm!r}",
            remedy=f"pass one of {listed} as arm=, and divide alpha by the number of such comparisons",
        )
    pair = [days.control, others[0]]
    (mean, variance), n = _values(days.so_far(), days, chosen, pair)
    with np.errstate(divide="ignore"):
        units = 1 / (1 / n[-1]).sum()
    covariance = days.look_covariance(days.outcomes.index(parts(chosen)[0]), pair)
    information = correlated_information(covariance, float(units))
    k = len(n)
    return pd.DataFrame(
        {
            "look": np.tile(days.calendar.times(), 2),
            "arm": [days.labels[i] for i in pair for _ in range(k)],
            "n": n.T.ravel().astype(np.int64),
            "mean": mean.T.ravel(),
            "variance": variance.T.ravel(),
            "information": np.tile(information, 2),
        }
    )


def _with_days(days: Days) -> list[Metric]:
    found = [m for m in days.ask.metrics if isinstance(m, Mean | Proportion | Ratio)]
    if not found:
        raise DesignError(
            "no metric is a mean, a share or a ratio, so there is no daily effect", remedy="add gc.Mean of the outcome"
        )
    return list(dict.fromkeys(type(m)(*parts(m)) for m in found))  # covariates and caps play no part here


def independent(days: Days, clusters: str) -> None:
    """Refuse clusters, which the daily tables know nothing of."""
    if clusters:
        raise DesignError(
            f"units come in clusters ({clusters!r}), and the daily tables take units as independent",
            column=clusters,
            remedy="call ab_test on the table of one cluster and day instead, with unit= the cluster",
        )


def _values(
    cells: Cells, days: Days, metric: Metric, arms: list[int]
) -> tuple[tuple[FloatArray, FloatArray], FloatArray]:
    """Value and variance of one unit's contribution, shape (days, arms), and the units behind them."""
    n, mean, cov = cells.n[:, arms], cells.mean[:, arms], cells.cov[:, arms]
    i, *more = (days.outcomes.index(c) for c in parts(metric))
    if not more:
        return (mean[..., i], cov[..., i, i]), n
    j = more[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = mean[..., i] / mean[..., j]
        spread = cov[..., i, i] - 2 * ratio * cov[..., i, j] + ratio**2 * cov[..., j, j]
        return (ratio, spread / mean[..., j] ** 2), n


def _effects(values: tuple[FloatArray, FloatArray], n: FloatArray, alpha: float) -> tuple[FloatArray, ...]:
    """Values; difference of the first arm and the second, its standard error and interval by Welch's t."""
    value, variance = values
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.maximum(variance, 0.0) / n
    difference, error = value[:, 0] - value[:, 1], np.sqrt(own.sum(axis=1))
    ok = np.isfinite(error) & (error > 0)
    reach = np.full(len(n), np.nan)
    pairs = [[(float(v), float(k) - 1) for v, k in zip(own[d], n[d], strict=True)] for d in np.flatnonzero(ok)]
    reach[ok] = critical_values(1 - alpha, np.array([welch_df(pair) for pair in pairs])) * error[ok]
    return value, difference, error, difference - reach, difference + reach


def daily_curves(days: Days, clusters: str, alpha: float, unit: str) -> Curves:
    """The first metric's effect, by day and up to each day."""
    frame = daily(days, clusters, alpha)
    frame = frame[frame["metric"] == frame["metric"].iloc[0]]
    several = frame["arm"].nunique() > 1
    lines = []
    for arm, part in frame.groupby("arm", sort=False):
        x = np.arange(len(part), dtype=float)
        of = f", {arm}" if several else ""
        for label, style, y, low, high in (
            (f"up to the {days.calendar.word}{of}", "line", "cumulative", "cumulative_low", "cumulative_high"),
            (f"on the {days.calendar.word}{of}", "points", "estimate", "conf_low", "conf_high"),
        ):
            values = [part[c].to_numpy(float) for c in (y, low, high)]
            lines.append(Line(label, x, values[0], style, values[1], values[2]))
    title = f"Effect on {frame['metric'].iloc[0]}, {100 * (1 - alpha):g}% intervals, each for its {days.calendar.word}"
    ticks = tuple(days.calendar.text(i) for i in range(len(days.calendar.at)))
    return Curves(title, days.calendar.word, unit, tuple(lines), zero=True, ticks=ticks)
