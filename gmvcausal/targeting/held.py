"""From a fitted model to an evaluation and a policy: tables are read, rows that were seen are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, identifiers
from gmvcausal.frames.facts import UNIT_NAMES
from gmvcausal.frames.features import Features, Matrix
from gmvcausal.frames.params import column_name
from gmvcausal.frames.rows import seen_before, unit_column
from gmvcausal.frames.table import Table, open_table
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.small_cells import MIN_CELL
from gmvcausal.targeting.audit.of_design import as_drawn, counts_beside, ratio_test
from gmvcausal.targeting.evaluate import Evaluation, evaluate
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray
from gmvcausal.targeting.intake.shares import columns_of, read_cost
from gmvcausal.targeting.intake.traits import Traits, in_units
from gmvcausal.targeting.large import narrow
from gmvcausal.targeting.large.source import is_large
from gmvcausal.targeting.policy import Held, Offer, Policy, Seen, make_policy, make_tree_policy, prints
from gmvcausal.targeting.policy.knapsack import best
from gmvcausal.targeting.policy.make import bounded
from gmvcausal.targeting.policy.value import policy_value
from gmvcausal.targeting.policy.words import who_gets_what
from gmvcausal.targeting.redemption import expected_cost

if TYPE_CHECKING:
    from gmvcausal.targeting.intake.trial import Asked
    from gmvcausal.targeting.modelled import HeldOut
    from gmvcausal.targeting.result import Uplift

# Of many folds one in a hundred falls below the level by chance: a search must not break over it.
_SCORED = 0.01
_UNKEPT = "the users were read in batches and their features not kept: for e.clan(), who gains most, pass fewer users"
# A model of who was treated may be this far from the shares of a test table (it is no lot) before these are refused.
_MODELLED = 0.02


def evaluation(model: Uplift, test: Any, *, propensity: Any = None, scored: bool = False, **options: Any) -> Evaluation:
    """Rank held-out users by their predicted effects and hold the ranking against their outcomes.

    `scored` says that many tables are judged for one number each, as folds are.

    Raises
    ------
    DesignError
        These rows trained the model; or their arms have other sizes than the chances lead to.
    """
    held = model.held_out(test, propensity, ranked=True)
    t = held.trial
    model.seen.refuse(held.met("rows"))
    refuse_other_chances(model, held, _SCORED if scored else 1.0)
    if held.told is not None:
        held = narrow.in_order(held)
    found = evaluate(
        held.effects, t.y, t.arm, held.e, mu=held.mu, cluster=t.cluster, cost=expected_cost(t.cost, held.redeems),
        margin=t.margin, labels=[str(label) for label in t.labels], unit=model.asked.outcome,
        traits=Traits(t.features, t.x) if held.told is None else None, people=model.people, **options,
    )  # fmt: skip
    unkept = (_UNKEPT,) if held.told is not None and t.features.names else ()
    return replace(found, notes=(*found.notes, *unkept, *audit_failed(model)))


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

    Raises
    ------
    InputError
        A tree of users who are too many to be read at once, or of a model without features.
    """
    column = column_name("groups", groups, optional=True)
    known: list[Any] = []
    if column is not None:
        known += identifiers(open_table(data, needed=[column]), column, "group").labels.tolist()
    read = Reader(model, column, tuple(known))
    trained_on = [("rows", model.seen)]
    labels, margin = model.trial.labels, model.asked.margin
    features = model.trial.features
    levels = {j: features.levels[j] for j in features.categorical}
    if depth is None:
        offer = read(data, False)
        plan = make_policy(offer, margin=margin, labels=labels, trained_on=trained_on, read=read, **options)
        few = MIN_CELL if model.people else 0
        whom = who_gets_what(plan.assign, labels, offer.x, features.names, levels, few)
        return replace(plan, whom=tuple(whom), people=model.people)
    if not features.names:
        raise InputError("a tree asks for features, and the model has none", remedy="pass features= to uplift")
    if is_large(data, len(features.needed)):
        raise InputError(
            "a tree asks all features of all users at once, and these are too many",
            remedy="make it on some of them (it is then a rule for all: p.apply), or leave depth= out",
        )
    if options.get("group_share") is not None:
        raise InputError("depth= and group_share= do not go together", remedy="limit a tree by budget= or max_share=")
    plan = make_tree_policy(
        read(data, False), depth=depth, margin=margin, budget=bounded("budget", options.get("budget")),
        max_share=bounded("max_share", options.get("max_share"), 1.0), labels=labels,
        names=features.names, levels=levels, trained_on=trained_on, read=read,
    )  # fmt: skip
    return replace(plan, people=model.people)


def best_value(model: Uplift, test: Any) -> float:
    """Net value per held-out user, doubly robust, of giving each the arm whose expected net value is highest, if any.

    Raises
    ------
    DesignError
        These rows trained the model.
    """
    held = model.held_out(test)
    t = held.trial
    model.seen.refuse(held.met("rows"))
    refuse_other_chances(model, held, _SCORED)
    cost = expected_cost(t.cost, held.redeems)
    arm, worth = best(t.margin * held.effects - cost, cost, 0.0)
    return policy_value(np.where(worth > 0, arm, 0), _known(held, model.asked.outcome, model.people)).value


def trained(model: Uplift) -> Seen:
    """The rows that trained a model."""
    t = model.trial
    return Seen("trained the model", np.sort(prints(t.x, t.y, t.arm)))


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads a table for the rule of a plan: features, costs and groups; arms and outcomes where they are wanted.

    Attributes
    ----------
    model : Uplift
    column : str or None
        Of the groups.
    known : tuple
        Labels of the groups that the plan was made for.
    """

    model: Uplift
    column: str | None
    known: tuple[Any, ...]

    def __call__(self, data: Any, outcomes: bool, propensity: Any = None) -> Offer:
        """The users of a table; `propensity` are their chances where they are not those of training."""
        model, asked = self.model, self.model.asked
        features, labels = model.trial.features, model.trial.labels
        group = None if self.column is None else _groups(data, self.column, self.known)
        told = audit_failed(model)
        if not outcomes and is_large(data, len(features.needed)):
            return narrow.offer(model, data, group, told)
        if not outcomes:
            needed = [*features.needed, *columns_of(asked.cost)]
            optional = [*UNIT_NAMES, *([asked.unit] if asked.unit else [])]
            table = open_table(data, needed=list(dict.fromkeys(needed)), optional=optional)
            refuse_twice(table, asked)
            x = features.transform(table)
            cost, made = read_cost(table, asked.cost, labels), {"features": prints(x)}
            redeems = model.fit.predict_redeems(x)
            return Offer(
                model.fit.predict(x), expected_cost(cost, redeems), group, made,
                x=_in_their_units(features, x), redeems=redeems, notes=told,
            )  # fmt: skip
        found = model.held_out(data, propensity)
        t = found.trial
        made = {"features": found.met("features"), "rows": found.met("rows")}
        model.seen.refuse(made["rows"])
        refuse_other_chances(model, found)
        held = _known(found, asked.outcome, model.people)
        code = None if group is None else group[t.row]
        cost = expected_cost(t.cost, found.redeems)
        return Offer(
            found.effects, cost, code, made, held, None if found.told else _in_their_units(features, t.x),
            found.redeems, t.row, told,
        )  # fmt: skip


def refuse_twice(table: Table, asked: Asked) -> None:
    """Refuse a table to be planned for in which a user stands twice: each would get as many coupons as rows.

    Raises
    ------
    InputError
    """
    if asked.cluster is not None and asked.cluster in (asked.unit, *UNIT_NAMES):
        return  # several rows of a user were what the model was trained on
    known = asked.unit if asked.unit in table.columns else None
    unit = unit_column(table, known, (asked.cluster, asked.treatment, asked.outcome, *asked.features))
    if unit is None:
        return
    codes = identifiers(table, unit, "unit").codes
    again = seen_before(codes)
    if again.any():
        raise rules.duplicated(
            "units", unit, len(np.unique(codes[again])), first_rows(again),
            f"keep one row per {unit}: a plan counts each row as a user of its own, with a coupon and its cost",
        )  # fmt: skip


def audit_failed(model: Uplift) -> tuple[str, ...]:
    """One line that names the failed checks of the model; none where none failed."""
    failed = [check for check in model.audit if check.status == "failed"]
    if not failed:
        return ()
    names = ", ".join(check.name for check in failed)
    return (f"the audit of the model failed ({names}): what rests on the model is no better than that",)


def refuse_other_chances(model: Uplift, found: HeldOut, strict: float = 1.0) -> None:
    """Refuse users whose arms have other sizes than the chances that they are weighted by lead to.

    Parameters
    ----------
    model : Uplift
    found : HeldOut
    strict : float
        Times `srm_alpha`: p-values below are refused.

    Raises
    ------
    DesignError
    """
    t = found.trial
    arm, e, what = as_drawn(t, found.e)
    # Chances that training estimated have an error of their own, that of as many rows as it had.
    behind = model.manifest.rows if model.sampled is None or model.sampled.whole else model.sampled.n
    more = 1.0 if t.known else 1 + t.n / behind
    p = ratio_test(arm, e, more)
    modelled = not t.known and model.fit.chances is not None and bool(model.fit.chances.models)
    gap = float(np.abs(np.bincount(arm, minlength=t.arms) - e.sum(axis=0)).max()) / len(arm)
    if p >= strict * float(model.manifest.options["srm_alpha"]) or (modelled and gap < _MODELLED):
        return
    source = "given" if t.known else "that training found"
    raise DesignError(
        f"the arms of the test table do not have the sizes that the chances {source} lead to: "
        f"{counts_beside(t, arm, e)}{what}: {p_words(p)}",
        column=model.asked.treatment,
        remedy="pass propensity=, the chances with which the arms of these users were drawn (a number, a column, or "
        "arm -> share or column); if they were drawn with those of training, find out who is missing",
    )


def _known(found: HeldOut, unit: str, people: bool) -> Held:
    """Arms and outcomes of users kept apart, as `policy_value` takes them."""
    t = found.trial
    return Held(t.y, t.arm, found.e, t.cost, t.margin, found.mu, t.cluster, unit, t.redeemed, found.redeems, people)


def _in_their_units(features: Features, x: Matrix) -> FloatArray:
    """Numbers as the table has them, to be read aloud; categories stay codes."""
    out: FloatArray = x.astype(np.float64)
    for j in range(out.shape[1]):
        out[:, j] = in_units(features, j, out[:, j])
    return out


def _groups(data: Any, column: str, known: Sequence[Any]) -> IntArray:
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
