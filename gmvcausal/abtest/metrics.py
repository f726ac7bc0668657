"""What can be measured in a test: a metric only declares the columns it needs, and these merge into one matrix."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.params import column_name, said


@dataclass(frozen=True)
class Mean:
    """Mean of a column per unit, zeros included: GMV per user.

    Parameters
    ----------
    column : str
        Numbers, one per unit; zero where nothing was bought.
    pre : str or list of str, optional
        Covariates measured before the test (`gmv_pre`): the difference is adjusted for them by Lin's (2013) interacted
        regression. With one covariate this is CUPED with a slope for each arm. Default: no adjustment.
    cap : {"auto"}, None or float
        "auto" shows the mean of the capped column beside the plain one where more than half of the values are zero or
        their skewness exceeds 10; the cap is the .98 quantile of the non-zero values of all arms. A number in (0, 1) is
        the quantile to cap at, and then the capped row comes first. None: no cap.
    model : {"lightgbm"}, scikit-learn regressor or None
        CUPAC: the model predicts the outcome from `pre` (five folds, by cluster where there are clusters), and its
        prediction is the one covariate. It finds bends and interactions that the linear adjustment misses, and takes
        missing covariates as they are. Default None: linear.

    Raises
    ------
    InputError
        For a cap that is no quantile, a covariate that is the outcome itself, or a model without covariates.

    References
    ----------
    Lin (2013), Annals of Applied Statistics 7; Deng, Xu, Kohavi and Walker (2013), WSDM (CUPED); Guo, Coey, Konutgan,
    Li, Schwab and Shahn (2021), NeurIPS (a model's prediction as the covariate).

    Examples
    --------
    >>> Mean("gmv", pre="gmv_pre")
    Mean(column='gmv', pre=('gmv_pre',), cap='auto', model=None)
    """

    column: str
    pre: str | Sequence[str] | None = None
    cap: str | float | None = "auto"
    model: Any = None

    def __post_init__(self) -> None:
        column_name("Mean's column", self.column)
        object.__setattr__(self, "pre", _covariates(self.pre, (self.column,)))
        object.__setattr__(self, "cap", _cap(self.cap))
        _check_model(self.model, self.pre)


@dataclass(frozen=True)
class Proportion:
    """Share of units that did something: buyers among users.

    Parameters
    ----------
    column : str
        0/1 or boolean, one per unit.

    Examples
    --------
    >>> Proportion("converted")
    Proportion(column='converted')
    """

    column: str

    def __post_init__(self) -> None:
        column_name("Proportion's column", self.column)


@dataclass(frozen=True)
class Ratio:
    """Ratio of two means: GMV per order, with users as the units that were randomised.

    The variance is that of the linearised ratio (delta method), so orders of one user may depend on each other.

    Parameters
    ----------
    numerator, denominator : str
        Numbers, one per unit; both are zero where nothing was bought.
    pre : str or list of str, optional
        As for `Mean`; numerator and denominator are both adjusted for all covariates.
    cap : {"auto"}, None or float
        As for `Mean`; the parts are capped apart, each at its own quantile.
    model : {"lightgbm"}, scikit-learn regressor or None
        As for `Mean`; each part has its own model, and both are adjusted for both predictions.

    Examples
    --------
    >>> Ratio("gmv", "orders", cap=None)
    Ratio(numerator='gmv', denominator='orders', pre=(), cap=None, model=None)
    """

    numerator: str
    denominator: str
    pre: str | Sequence[str] | None = None
    cap: str | float | None = "auto"
    model: Any = None

    def __post_init__(self) -> None:
        column_name("Ratio's numerator", self.numerator)
        column_name("Ratio's denominator", self.denominator)
        if self.numerator == self.denominator:
            raise InputError(
                f"the ratio of {self.numerator!r} to itself is 1 in every arm", remedy="name another denominator"
            )
        object.__setattr__(self, "pre", _covariates(self.pre, (self.numerator, self.denominator)))
        object.__setattr__(self, "cap", _cap(self.cap))
        _check_model(self.model, self.pre)


@dataclass(frozen=True)
class Gmv:
    """GMV per unit taken apart: reach x conversion x orders per buyer x order value.

    The logarithm of the lift of GMV per unit is the sum of the factors' own log-lifts: each row is one factor's
    contribution, in log points, and the rows of an arm add up to its row for the total.

    Parameters
    ----------
    gmv, orders : str
        Numbers, one per unit; zero where nothing was bought.
    visits : str, optional
        Visits of the unit; with it, reach (units with a visit) and conversion (buyers among them) are told apart,
        without it conversion is the share of buyers among all units.

    Examples
    --------
    >>> Gmv(visits="visits", orders="orders", gmv="gmv")
    Gmv(gmv='gmv', orders='orders', visits='visits')
    """

    gmv: str
    orders: str
    visits: str | None = None

    def __post_init__(self) -> None:
        column_name("Gmv's gmv", self.gmv)
        column_name("Gmv's orders", self.orders)
        column_name("Gmv's visits", self.visits, optional=True)
        if len({self.gmv, self.orders, self.visits}) < 3:
            raise InputError("Gmv needs different columns for visits, orders and gmv")


@dataclass(frozen=True)
class Quantile:
    """A quantile of a column over units: what the unit at the top tenth spends.

    Quantiles are interpolated between neighbouring values (type 7 of Hyndman and Fan 1996, the default of numpy, R and
    DuckDB's ``quantile_cont``). Where many units share one value (zeros, whole numbers of orders) a quantile jumps
    instead of moving, and the metric is refused.

    Parameters
    ----------
    column : str
        Numbers, one per unit.
    q : float
        Between 0 and 1, ends excluded: .5 is the median.

    Raises
    ------
    InputError
        For a `q` that is no quantile.

    References
    ----------
    Woodruff (1952), JASA 47; Deng, Knoblich and Lu (2018), KDD.

    Examples
    --------
    >>> Quantile("gmv", 0.9)
    Quantile(column='gmv', q=0.9)
    """

    column: str
    q: float

    def __post_init__(self) -> None:
        column_name("Quantile's column", self.column)
        object.__setattr__(self, "q", _share(self.q))


Metric = Mean | Proportion | Ratio | Gmv | Quantile


def name_of(metric: Metric) -> str:
    """What tables call the metric."""
    if isinstance(metric, Gmv):
        return metric.gmv
    if isinstance(metric, Quantile):
        return f"{metric.column} q{metric.q:g}"
    return f"{metric.numerator} / {metric.denominator}" if isinstance(metric, Ratio) else metric.column


def parts(metric: Metric) -> tuple[str, ...]:
    """The outcome columns: one, or numerator and denominator."""
    if isinstance(metric, Gmv):
        return tuple(c for c in (metric.gmv, metric.orders, metric.visits) if c is not None)
    return (metric.numerator, metric.denominator) if isinstance(metric, Ratio) else (metric.column,)


def covariates(metric: Metric) -> tuple[str, ...]:
    """Columns of the covariates."""
    return () if isinstance(metric, Proportion | Gmv | Quantile) else tuple(metric.pre or ())


def model_of(metric: Metric) -> Any:
    """The model that predicts the outcome from the covariates; None where they enter linearly."""
    return metric.model if isinstance(metric, Mean | Ratio) else None


def cap_of(metric: Metric) -> str | float | None:
    """How the outcome is to be capped; a share or a quantile is not."""
    return None if isinstance(metric, Proportion | Gmv | Quantile) else metric.cap


def read_metrics(metrics: Any) -> tuple[Metric, ...]:
    """One metric or a list of them; a plain column name is a `Mean`.

    Raises
    ------
    InputError
        No metric, something that is none, or the same one twice.
    """
    listed = [metrics] if isinstance(metrics, str | Metric) else metrics
    if not isinstance(listed, Sequence) or isinstance(listed, bytes):
        raise InputError(f"metrics must list metrics, but is {said(metrics)}", remedy="write metrics=[gc.Mean('gmv')]")
    found: list[Metric] = []
    for item in listed:
        metric = Mean(item) if isinstance(item, str) else item
        if not isinstance(metric, Metric):
            raise InputError(
                f"metrics holds {said(item)}, which is no metric",
                remedy="use gc.Mean, gc.Proportion, gc.Ratio, gc.Quantile, gc.Gmv or the name of a column",
            )
        if metric in found:
            raise InputError(f"metrics holds {name_of(metric)!r} twice", remedy="name each metric once")
        found.append(metric)
    if not found:
        raise InputError("metrics is empty, so there is nothing to compare", remedy="write metrics=[gc.Mean('gmv')]")
    return tuple(found)


def _covariates(pre: Any, outcome: tuple[str, ...]) -> tuple[str, ...]:
    if pre is None:
        return ()
    listed = [pre] if isinstance(pre, str) else pre
    if not isinstance(listed, Sequence) or not all(isinstance(p, str) for p in listed):
        raise InputError(f"pre must name columns, but is {said(pre)}", remedy="write pre='gmv_pre'")
    for column in outcome:
        if column in listed:
            raise InputError(
                f"{column!r} is the outcome itself, so it cannot adjust for itself",
                column=column,
                remedy="name columns measured before the test, for example gmv_pre",
            )
    return tuple(dict.fromkeys(listed))


def _check_model(model: Any, pre: Any) -> None:
    if model is None:
        return
    able = not isinstance(model, type) and all(hasattr(model, name) for name in ("fit", "predict", "get_params"))
    if not (able or (isinstance(model, str) and model == "lightgbm")):
        raise InputError(
            f"model must be 'lightgbm', a scikit-learn regressor or None, but is {said(model)}",
            remedy="pass model='lightgbm', or an instance such as RandomForestRegressor()",
        )
    if not pre:
        raise InputError("model= has nothing to learn from", remedy="name columns measured before the test with pre=")


def _share(q: Any) -> float:
    if isinstance(q, bool) or not isinstance(q, numbers.Real) or not 0 < float(q) < 1:
        raise InputError(
            f"q must be a quantile between 0 and 1, but is {said(q)}", remedy="write 0.9 for the top tenth"
        )
    return float(q)


def _cap(cap: Any) -> str | float | None:
    if cap is None:
        return None
    if isinstance(cap, str) and cap == "auto":
        return "auto"
    if not isinstance(cap, bool) and isinstance(cap, numbers.Real) and 0 < float(cap) < 1:
        return float(cap)
    raise InputError(
        f"cap must be 'auto', None or a quantile between 0 and 1, but is {said(cap)}",
        remedy="pass cap=0.98 to cap at the 98 % quantile of the non-zero values; cut the column yourself to cap at an "
        "amount of money",
    )
