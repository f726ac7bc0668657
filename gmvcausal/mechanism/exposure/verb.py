"""The verb `spillover`."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, column_name, flag, one_of, said
from gmvcausal.mechanism.exposure.chances import Mapping
from gmvcausal.mechanism.exposure.links import LinksAsked, Network, read_links
from gmvcausal.mechanism.exposure.make import along_links
from gmvcausal.mechanism.exposure.make_groups import between_groups
from gmvcausal.mechanism.exposure.read import Asked, Users, read
from gmvcausal.mechanism.exposure.result import SpilloverResult
from gmvcausal.results import Manifest


def spillover(
    data: Any,
    outcome: str = "gmv",
    treatment: str = "treatment",
    unit: str = "user",
    edges: Any = None,
    *,
    probability: Any = None,
    exposure: Any = "line",
    directed: bool = False,
    ends: Any = None,
    weight: str | None = None,
    outside: str = "raise",
    edge_time: str | None = None,
    start: Any = None,
    group: str | None = None,
    saturation: str | None = None,
    cluster: str | None = None,
    strata: str | None = None,
    assignments: Any = None,
    control: Any = None,
    covariates: Sequence[str] = (),
    missing: str = "raise",
    reps: int = 1000,
    draws: int = 2000,
    alpha: float = 0.05,
    srm_alpha: float = 0.01,
    seed: int = 0,
) -> SpilloverResult:
    """Effect of one's own treatment, of others' treatment, and of both: through links, or within groups.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        One row per user (community, room). Not changed.
    outcome, treatment, unit : str
        Columns: GMV in money; 0/1, or two labels with `control`; the user's id, any kind.
    edges : frame, parquet path or DuckDB relation
        Links between users: two columns of ids (`unit` and `neighbour`, or the only two, or those named by `ends`).
        Not with `group`.
    probability : number, column or {arm: share}, optional
        With which each user (cluster) was treated, each by itself. Default: the share that was treated, as if that
        number had been drawn at random; the summary says so.
    exposure : {"line", "any"}, share or number
        How others' treatment is taken to matter. ``"line"``: along a line with the share of treated neighbours, so
        that spillover and total are those of all against none, which is what a decision about everyone needs.
        Otherwise the four conditions of Aronow and Samii: neither, exposed only, treated only, both, where exposed are
        users with ``"any"`` treated neighbour, with at least a share of them (a float below 1, ``0.5``), or with at
        least a number of them (``2``; ``1.0`` is all of them). They rest on no line, and compare exposures that
        occurred.
    directed : bool
        False: links hold in both directions. True: the treatment of the second end reaches the first.
    ends : (str, str), optional
        The two columns of `edges`.
    weight : str, optional
        Column of `edges`: shares of treated neighbours are by weight.
    outside : {"raise", "drop"}
        What becomes of links to users who are not in the data.
    edge_time, start : str, date, optional
        Column of `edges` that says when a link was made, and when treatment began: links made later are an outcome.
    group, saturation : str, optional
        Columns of a two-stage design: the group (community, room), and the share of it that was drawn to be treated.
    cluster : str, optional
        Column of what was drawn together. Default: users, or a column named room, city, ... within which treatment does
        not vary, with a warning.
    strata : str, optional
        Column of strata within which a number was drawn; shares are taken by stratum.
    assignments : array, shape (rows, draws), optional
        Draws of the lottery as it was run, 0/1, in the order of the rows, in place of `probability`.
    control : label, optional
        The untreated label; may be left out for 0/1.
    covariates : sequence of str
        Known before treatment (GMV before): taken out of the outcome along the line. The number of neighbours always
        is.
    missing : {"raise", "zero"}
        What a missing outcome means; never guessed.
    reps : int
        Draws of Fisher's test; default 1,000, 0 for none.
    draws : int
        Draws of the lottery behind exposure probabilities that have no closed form; default 2,000.
    alpha : float
        One minus the confidence level; default .05.
    srm_alpha : float
        The audit fails where as many treated have a p-value below it; default .01.
    seed : int
        Of the draws. Estimates along the line, and those with exact probabilities, do not depend on it.

    Returns
    -------
    SpilloverResult
        Rows ``direct``, ``spillover``, ``total``, then the same by other weights, and the difference of means.
        `tests()`, `conditions()`, `incremental_gmv()`.

    Raises
    ------
    InputError
        The data or the call is wrong: repeated users, links of a user to itself, ids in two writings, ...
    DesignError
        All neighbours were drawn with the user, or nobody is in one of the four conditions.

    Notes
    -----
    Along the line, moments weigh users alike: treatment less its probability, and treated share less its mean, each
    over its variance under the lottery. Everything is then a sum of independent draws, whose squares are the variance:
    exact for the lottery, whatever the network, in time linear in the links. Between conditions, means are weighted by
    1 / probability (Hájek; Horvitz-Thompson beside). The variance is the conservative one of Aronow and Samii where
    pairs of users have joint probabilities in closed form and are not too many, else the sum over all pairs with a draw
    in common. Saturations are compared by means over users, errors clustered by group (Bell and McCaffrey).

    References
    ----------
    Aronow and Samii (2017), Annals of Applied Statistics 11; Athey, Eckles and Imbens (2018), Journal of the American
    Statistical Association 113; Baird, Bohren, McIntosh and Özler (2018), Review of Economics and Statistics 100;
    Gao and Ding (2023), arXiv 2309.07476; Hudgens and Halloran (2008), Journal of the American Statistical Association
    103; Leung (2022), Econometrica 90.

    Examples
    --------
    >>> import gmvcausal as gc, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> links = pd.DataFrame({"user": np.arange(2000), "friend": np.roll(np.arange(2000), 1)})
    >>> users = pd.DataFrame({"user": np.arange(2000), "treatment": rng.integers(0, 2, 2000)})
    >>> t = users["treatment"].to_numpy()
    >>> users["gmv"] = 20 + 5 * t + 3 * (np.roll(t, 1) + np.roll(t, -1)) / 2 + rng.normal(size=2000)
    >>> r = gc.spillover(users, edges=links, probability=0.5)
    >>> r.to_frame()[["term", "estimate"]].head(3).round(1).to_dict("list")
    {'term': ['direct', 'spillover', 'total'], 'estimate': [5.0, 3.0, 8.0]}
    """
    options = _checked(
        outcome, treatment, unit, exposure, directed, outside, group, saturation, cluster, strata, control, covariates,
        missing, reps, draws, alpha, srm_alpha, seed,
    )  # fmt: skip
    if (edges is None) == (group is None):
        raise InputError(
            "edges= (links between users) and group= (groups of several saturations) are two designs, and "
            + ("none is given" if edges is None else "both are given"),
            remedy="pass one of them",
        )
    mapping = _mapping(exposure)
    asked = Asked(
        outcome, treatment, unit, control, probability, cluster, strata, tuple(options["covariates"]), group,
        saturation, missing, assignments,
    )  # fmt: skip
    if group is not None:
        _refuse_with_groups(probability, exposure, cluster, strata, assignments, options["covariates"])
        u = read(data, asked)
        return _with_notes(between_groups(u, options, _manifest(u, None, options, "means by saturation")), u, None)
    u = read(data, asked)
    net = read_links(edges, u.ids, LinksAsked(ends, column_name("weight", weight, optional=True), directed, outside,
                                              column_name("edge_time", edge_time, optional=True), start))  # fmt: skip
    options |= {"probability": _told(probability), "weight": weight, "edge_time": edge_time}
    words = "line in the share of treated neighbours" if mapping is None else f"exposed: {mapping.words}"
    manifest = _manifest(u, net, options, words)
    return _with_notes(along_links(u, net, mapping, options, manifest), u, net)


def _checked(
    outcome: Any, treatment: Any, unit: Any, exposure: Any, directed: Any, outside: Any, group: Any, saturation: Any,
    cluster: Any, strata: Any, control: Any, covariates: Any, missing: Any, reps: Any, draws: Any, alpha: Any,
    srm_alpha: Any, seed: Any,
) -> dict[str, Any]:  # fmt: skip
    for name, value in (("outcome", outcome), ("treatment", treatment), ("unit", unit)):
        column_name(name, value)
    optional = {"group": group, "saturation": saturation, "cluster": cluster, "strata": strata}
    for name, value in optional.items():
        column_name(name, value, optional=True)
    none = isinstance(reps, int) and not isinstance(reps, bool) and reps == 0
    return {
        "outcome": outcome, "treatment": treatment, "unit": unit, "exposure": exposure,
        "directed": flag("directed", directed), "outside": one_of("outside", outside, ("raise", "drop")), **optional,
        "control": control, "covariates": check("covariates", covariates), "missing": check("missing", missing),
        "reps": 0 if none else check("draws", reps, called="reps"), "draws": check("draws", draws),
        "alpha": check("alpha", alpha), "srm_alpha": check("srm_alpha", srm_alpha), "seed": check("seed", seed),
    }  # fmt: skip


def _mapping(exposure: Any) -> Mapping | None:
    """The exposure mapping; None for the line."""
    if isinstance(exposure, str) and exposure in ("line", "any"):
        return None if exposure == "line" else Mapping("any", 1)
    real = not isinstance(exposure, bool | np.bool_) and isinstance(exposure, numbers.Real)
    if real and isinstance(exposure, numbers.Integral) and int(exposure) >= 1:
        return Mapping("number", int(exposure))
    if real and not isinstance(exposure, numbers.Integral) and 0 < float(exposure) <= 1:
        return Mapping("share", float(exposure))
    raise InputError(
        f"exposure must be 'line', 'any', a share above 0, at most 1.0, or a whole number of neighbours, but is "
        f"{said(exposure)}",
        remedy="write exposure=0.5 for half of the neighbours treated, exposure=2 for two of them",
    )


def _refuse_with_groups(
    probability: Any, exposure: Any, cluster: Any, strata: Any, assignments: Any, covariates: Any
) -> None:
    given = {"probability": probability, "cluster": cluster, "strata": strata, "assignments": assignments}
    extra = [name for name, value in given.items() if value is not None]
    extra += ["covariates"] if len(covariates) else []
    extra += ["exposure"] if exposure != "line" else []
    if extra:
        raise InputError(f"{extra[0]}= belongs to edges=, and group= compares groups of several saturations",
                         remedy=f"leave {extra[0]}= out")  # fmt: skip


def _manifest(u: Users, net: Network | None, options: dict[str, Any], words: str) -> Manifest:
    arrays: list[NDArray[Any]] = [u.ids, u.treated, u.y, u.x]
    arrays += [u.group] if u.group is not None else []
    if net is not None:
        weights = net.weights.sorted_indices()
        arrays += [weights.indptr, weights.indices, weights.data]
    return Manifest("spillover", options, options["seed"], u.rows, u.columns, arrays=partial(list, arrays),
                    choices=(words, *_how(u, options)))  # fmt: skip


def _how(u: Users, options: dict[str, Any]) -> tuple[str, ...]:
    if u.group is not None:
        return (f"errors clustered by {options['group']}",)
    lot = u.lottery
    what = "users" if lot.single else f"{u.cluster_name} clusters"
    if lot.given is not None:
        return (f"{what} drawn as assignments= says",)
    return (f"{what} drawn {'in a fixed number' if lot.fixed else 'each with its probability'}",)


def _with_notes(result: SpilloverResult, u: Users, net: Network | None) -> SpilloverResult:
    notes = (*u.notes, *(net.notes if net is not None else ()))
    dropped = u.dropped | (net.dropped if net is not None else {})
    return replace(result, manifest=replace(result.manifest, notes=notes, dropped=dropped))


def _told(value: Any) -> Any:
    """An option as the manifest can hold it."""
    return [f"{k}: {v}" for k, v in value.items()] if hasattr(value, "items") else value
