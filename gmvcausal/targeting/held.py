"""From a fitted model to an evaluation and a policy: tables are read, rows that were seen are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.columns import first_rows, identifiers
from gmvcausal.frames.params import column_name
from gmvcausal.frames.table import open_table
from gmvcausal.targeting.evaluate import Evaluation, evaluate
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray
from gmvcausal.targeting.intake.features import Features, Matrix
from gmvcausal.targeting.intake.shares import columns_of, read_cost
from gmvcausal.targeting.intake.traits import Traits
from gmvcausal.targeting.policy import Held, Offer, Policy, Seen, make_policy, make_tree_policy, prints
from gmvcausal.targeting.policy.knapsack import best
from gmvcausal.targeting.policy.make import bounded
from gmvcausal.targeting.policy.value import policy_value
from gmvcausal.targeting.policy.words import who_gets_what
from gmvcausal.targeting.redemption import expected_cost

if TYPE_CHECKING:
    from gmvcausal.targeting.intake.trial import Trial
    from gmvcausal.targeting.modelled import HeldOut
    from gmvcausal.targeting.result import Uplift


def evaluation(model: Uplift, test: Any, **options: Any) -> Evaluation:
    """Rank held-out users by their predicted effects and hold the ranking against their outcomes.

    Raises
    ------
    DesignError
        These rows trained the model.
    """
    held = model.held_out(test)
    t = held.trial
    model.seen.refuse(_rows(t))
    return evaluate(
        held.effects, t.y, t.arm, held.e, mu=held.mu, cluster=t.cluster, cost=expected_cost(t.cost, held.redeems),
        margin=t.margin, labels=[str(label) for label in t.labels], unit=model.asked.outcome,
        traits=Traits(t.features, t.x), **options,
    )  # fmt: skip


def policy(model: Uplift, data: Any, *, groups: str | None = None, depth: int | None = None, **options: Any) -> Policy:
    """A plan for the users of a table.

    Parameters
    ----------
    model : Uplift
    data : frame, parquet path or DuckDB relation
    groups : str, optional
        Column of the groups that `group_share` speaks of.
    depth : int, optional
        The policy is a tree of so many questions.
    options
        Of `make_policy`.
    """
    column = column_name("groups", groups, optional=True)
    known: list[Any] = []
    if column is not None:
        known += identifiers(open_table(data, needed=[column]), column, "group").labels.tolist()
    read = _reader(model, column, known)
    trained_on = [("rows", model.seen)]
    labels, margin = model.trial.labels, model.asked.margin
    features = model.trial.features
    levels = {j: features.levels[j] for j in features.categorical}
    if depth is None:
        offer = read(data, False)
        plan = make_policy(offer, margin=margin, labels=labels, trained_on=trained_on, read=read, **options)
        return replace(plan, whom=tuple(who_gets_what(plan.assign, labels, offer.x, features.names, levels)))
    if not features.names:
        raise InputError("a tree asks for features, and the model has none", remedy="pass features= to uplift")
    if options.get("group_share") is not None:
        raise InputError("depth= and group_share= do not go together", remedy="limit a tree by budget= or max_share=")
    return make_tree_policy(
        read(data, False), depth=depth, margin=margin, budget=bounded("budget", options.get("budget")),
        max_share=bounded("max_share", options.get("max_share"), 1.0), labels=labels,
        names=features.names, levels=levels, trained_on=trained_on, read=read,
    )  # fmt: skip


def best_value(model: Uplift, test: Any) -> float:
    """Net value per held-out user, doubly robust, of giving each the arm whose expected net value is highest, if any.

    Raises
    ------
    DesignError
        These rows trained the model.
    """
    held = model.held_out(test)
    t = held.trial
    model.seen.refuse(_rows(t))
    cost = expected_cost(t.cost, held.redeems)
    arm, worth = best(t.margin * held.effects - cost, cost, 0.0)
    return policy_value(np.where(worth > 0, arm, 0), _known(held, model.asked.outcome)).value


def trained(model: Uplift) -> Seen:
    """The rows that trained a model."""
    return Seen("trained the model", np.sort(_rows(model.trial)))


def _rows(t: Trial) -> Any:
    return prints(t.x, t.y, t.arm)


def _reader(model: Uplift, column: str | None, known: list[Any]) -> Callable[[Any, bool], Offer]:
    """Reads a table for the rule of a plan: features, costs and groups; arms and outcomes where they are wanted."""
    asked, features, labels = model.asked, model.trial.features, model.trial.labels

    def read(data: Any, outcomes: bool) -> Offer:
        group = None if column is None else _groups(data, column, known)
        if not outcomes:
            needed = [*features.needed, *columns_of(asked.cost)]
            table = open_table(data, needed=list(dict.fromkeys(needed)))
            x = features.transform(table)
            cost, made = read_cost(table, asked.cost, labels), {"features": prints(x)}
            redeems = model.fit.predict_redeems(x)
            return Offer(
                model.fit.predict(x), expected_cost(cost, redeems), group, made,
                x=_in_their_units(features, x), redeems=redeems,
            )  # fmt: skip
        found = model.held_out(data)
        t = found.trial
        held = _known(found, asked.outcome)
        made = {"features": prints(t.x), "rows": _rows(t)}
        code = None if group is None else group[t.row]
        cost = expected_cost(t.cost, found.redeems)
        return Offer(found.effects, cost, code, made, held, _in_their_units(features, t.x), found.redeems)

    return read


def _known(found: HeldOut, unit: str) -> Held:
    """Arms and outcomes of users kept apart, as `policy_value` takes them."""
    t = found.trial
    return Held(t.y, t.arm, found.e, t.cost, t.margin, found.mu, t.cluster, unit, t.redeemed, found.redeems)


def _in_their_units(features: Features, x: Matrix) -> FloatArray:
    """Numbers as the table has them, to be read aloud; categories stay codes."""
    out: FloatArray = x.astype(np.float64) * np.array(features.scale) + np.array(features.shift)
    return out


def _groups(data: Any, column: str, known: list[Any]) -> IntArray:
    codes = identifiers(open_table(data, needed=[column]), column, "group")
    place = {label: code for code, label in enumerate(known)}
    at = np.array([place.get(label, -1) for label in codes.labels.tolist()], dtype=np.int64)[codes.codes]
    if (at < 0).any():
        raise InputError(
            "groups for which the policy was not made",
            column=column,
            count=int((at < 0).sum()),
            rows=first_rows(at < 0),
            remedy="make the policy on users of all groups",
        )
    return at
