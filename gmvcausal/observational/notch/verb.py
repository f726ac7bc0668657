"""The verb `bunching`: count baskets, find what would have been, and carry the audit and the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmvcausal.frames.params import check, column_name, flag
from gmvcausal.observational.notch.ask import Options, options_of
from gmvcausal.observational.notch.make import made
from gmvcausal.observational.notch.read import Asked, read
from gmvcausal.observational.notch.result import Bunching


def bunching(
    data: Any,
    basket: str,
    cutoff: float,
    *,
    compare: str | None = None,
    control: Any = None,
    discount: float | None = None,
    width: float | None = None,
    window: tuple[float, float] | str | None = None,
    order: int = 4,
    fit_range: tuple[float, float] | None = None,
    round_numbers: Sequence[float] | str = "auto",
    cluster: str | None = None,
    reps: int = 500,
    alpha: float = 0.05,
    seed: int = 0,
    progress: bool = False,
) -> Bunching:
    """What did "spend 300, get 50 off" add, where shoppers top up their baskets to reach it (bunching)?

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        One row per order. Not changed.
    basket : str
        Column of what the order came to before the discount, in money; never below 0.
    cutoff : float
        The threshold, in the same money; baskets at it are above it.
    compare : str, optional
        Column that says which orders had the promotion and which had not: a period before it, a group that was not
        offered it. Their baskets are then what is expected, and no curve is fitted. Take it where you have it.
    control : scalar, optional
        The label of the orders without the promotion; may be left out only where labels are 0 and 1.
    discount : float, optional
        What is taken off each order at or above the threshold, in money; adds what it cost and what is left.
    width : float, optional
        Width of the bins. Default: about a sixtieth of the threshold (5 for 300).
    window : (float, float) or "converge", optional
        Baskets between which topping up moves orders. Default: from a quarter of the threshold below it (and at least
        1.5 times the discount) to a tenth above it. ``"converge"``: the lower end is where as many orders are missing
        below as are in excess above (Kleven and Waseem 2013); standard errors are then about 1.4 times as wide,
        and small samples put the end too far down.
    order : int
        Order of the polynomial, in the logarithm of the basket, that the logarithm of the counts follows outside of the
        window; without `compare`. Default 4: a lognormal is of order 2.
    fit_range : (float, float), optional
        Baskets that the curve is fitted to. Default: from .4 to 2 times the threshold. With `compare`, what the figure
        shows.
    round_numbers : "auto" or sequence of float
        Numbers at whose multiples baskets heap: the bins just below a multiple (99, 199, ...) and at it have effects of
        their own. ``"auto"`` (default): 50 and 100 where the data show it (likelihood ratio, 1 %); ``()``: none.
    cluster : str, optional
        Column of orders that depend on each other (the user). Orders of one user need it.
    reps : int
        Bootstrap draws, at least 99. Default 500: the standard error is known to 3 %.
    alpha : float
        One minus the confidence level.
    seed : int
        The same seed gives the same standard errors.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Bunching
        The headline is ``extra_gmv``: GMV at list price that topping up added, per order with the promotion.
        `counterfactual()`, `plot()`, `incremental_gmv()`.

    Raises
    ------
    InputError
        Columns that are missing or of the wrong kind, negative baskets, orders of one user without `cluster`, a window
        that does not hold the threshold, bins finer than the prices.
    DesignError
        Too few orders on a side of the threshold in the window, or outside of it.

    Notes
    -----
    In the window topping up moves orders and makes none: as many orders are expected there as are seen, spread as the
    comparison (or the curve) says. The extra GMV is the number of orders in the window times the difference between the
    mean basket seen and the mean basket expected; the excess is the orders above the threshold less those expected
    there, and as many are missing below. Before that step the numbers may differ: the check ``missing_mass`` holds them
    against chance.

    Standard errors are the spread of `reps` draws of the orders (multinomial draws of the counts; with `cluster` of
    whole clusters with Poisson weights), in which everything is estimated anew but the window (unless it converges) and
    the terms of round numbers.

    References
    ----------
    Saez (2010), American Economic Journal: Economic Policy 2; Chetty, Friedman, Olsen and Pistaferri (2011), Quarterly
    Journal of Economics 126; Kleven and Waseem (2013), Quarterly Journal of Economics 128 (thresholds with a jump);
    Kleven (2016), Annual Review of Economics 8; Blomquist, Newey, Kumar and Liang (2021), Journal of Political Economy
    129 (what a curve alone cannot tell).

    Examples
    --------
    >>> import gmvcausal as gc, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> before, wish = np.exp(rng.normal(5, 0.7, 20_000)), np.exp(rng.normal(5, 0.7, 20_000))
    >>> topped = (wish >= 250) & (wish < 300) & (rng.random(20_000) < 0.4)
    >>> orders = pd.DataFrame({"on": np.repeat([0, 1], 20_000), "basket": [*before, *np.where(topped, 301, wish)]})
    >>> r = gc.bunching(orders, "basket", 300, compare="on")
    >>> print(f"{r.estimate:.2f} ({r.std_error:.2f}), truth {((301 - wish) * topped).mean():.2f}")
    0.87 (0.12), truth 0.74
    """
    for role, column in (("basket", basket), ("compare", compare), ("cluster", cluster)):
        column_name(role, column, optional=role != "basket")
    flag("progress", progress)
    asked: Options = options_of(
        cutoff, discount, width, window, order, fit_range, round_numbers, reps, check("alpha", alpha),
        check("seed", seed),
    )  # fmt: skip
    orders = read(data, Asked(basket, asked.cutoff, compare, control, cluster))
    return made(orders, asked, basket, compare, cluster, progress)
