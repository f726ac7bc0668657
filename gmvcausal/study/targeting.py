"""The answer `uplift` of a study: learn on some users, rank and value the others, plan for those to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.columns import identifiers
from gmvcausal.frames.facts import UNIT_NAMES, frame_facts, named_unit
from gmvcausal.frames.params import said
from gmvcausal.frames.table import Table, open_table
from gmvcausal.results.curves import Curves
from gmvcausal.results.shown import Shown
from gmvcausal.targeting.evaluate import Evaluation
from gmvcausal.targeting.held import audit_failed
from gmvcausal.targeting.policy import Policy, PolicyValue
from gmvcausal.targeting.result import Uplift

PLAN_OPTIONS = ("users", "budget", "max_share", "groups", "group_share", "depth")
_OWN = np.uint64(0x9E3779B97F4A7C15)

Judged = TypeVar("Judged", Evaluation, PolicyValue)


@dataclass(frozen=True, eq=False)
class Targeted:
    """What stands beside an uplift model in a study.

    Attributes
    ----------
    about : tuple of str
        Who was kept apart, and for what.
    ranking : Evaluation or None
    plan : Policy or None
    value : PolicyValue or None
    users : DataFrame
        One row per user of the plan (of the rows that were learned from, where there is no plan): what names the user,
        the effect of every arm, and the arm that the plan gives.
    """

    about: tuple[str, ...]
    ranking: Evaluation | None
    plan: Policy | None
    value: Shown | None
    users: pd.DataFrame

    @property
    def shown(self) -> list[Shown]:
        """What a page shows, in its order."""
        return [one for one in (self.ranking, self.plan, self.value) if one is not None]

    def figures(self) -> dict[str, Curves]:
        """Figures of the first arm's ranking by their kinds."""
        from gmvcausal.targeting.evaluate.drawn import KINDS

        return {} if self.ranking is None else {kind: self.ranking.curves(kind) for kind in KINDS}


def learn_and_target(
    answer: Mapping[str, Any], frame: Any, learn: Callable[[Any], Uplift], read: Callable[[Any, str], Any]
) -> tuple[Uplift, Targeted]:
    """Fit the model, and answer what the file asks of it.

    Parameters
    ----------
    answer : mapping
        With `uplift`, and perhaps `test` (a share of the users, or a file) and `policy`.
    frame : frame, path or relation
    learn : callable
        The verb on a table, with the options of the file.
    read : callable
        A file by its name in the study, and what it is for.
    """
    options, policy = answer["uplift"], answer.get("policy")
    test = answer.get("test")
    _check(test, policy)
    rest, about = None, []
    if isinstance(test, str):
        rest = read(test, "test")
        about.append(f"Users of {test} were kept apart: no model has seen them.")
    elif test is not None:
        frame, rest, told = _split(frame, options, float(test), 0)
        about.append(told)
    model = learn(frame)
    about += audit_failed(model)
    split = rest is not None and not isinstance(test, str)
    ranking = None if rest is None else _judged(partial(model.evaluate, rest), split, about)
    if policy is None:
        # Of a sample effects are those of all users by models that some of them have trained.
        effects = model.effects if model.sampled is None else model.predict(frame)
        return model, Targeted(tuple(about), ranking, None, None, _listed(model, frame, effects, None))
    given: dict[str, Any] = {k: tuple(v) if k == "group_share" else v for k, v in policy.items() if k != "users"}
    if "users" in policy:
        users = read(policy["users"], "users")
        about.append(f"The plan is for the users of {policy['users']}.")
    else:
        rest, users, told = _split(rest, options, 0.5, 1)
        about.append(f"{told} The plan was made for these, and its value was measured on the other half.")
    plan = model.policy(users, **given)
    value = None if rest is None else _judged(partial(plan.evaluate, rest), split, about)
    return model, Targeted(tuple(about), ranking, plan, value, _listed(model, users, model.predict(users), plan))


def _judged(judge: Callable[[], Judged], split: bool, about: list[str]) -> Judged | None:
    """What users kept apart say; of a part of the users' own table, in which nothing else is wrong, why they do not."""
    try:
        return judge()
    except DesignError as error:
        if not split:
            raise
        about.append(f"Not judged on those kept apart: {error}")
        return None


def _check(test: Any, policy: Any) -> None:
    share = isinstance(test, int | float) and not isinstance(test, bool) and 0 < test < 1
    if test is not None and not share and not isinstance(test, str):
        raise InputError(
            f"test must be a share of the users between 0 and 1, or a file, but is {said(test)}",
            remedy='write test = 0.5, or test = "later.parquet"',
        )
    if policy is None:
        return
    if "users" not in policy and "budget" in policy:
        raise InputError(
            "policy has a budget, and does not say for which users it is",
            remedy='write policy = { users = "members.parquet", budget = 5000 }; or limit the plan by max_share',
        )
    if "users" not in policy and test is None:
        raise InputError(
            "policy says neither which users it is for nor which were kept apart",
            remedy='write test = 0.5 beside it, or policy = { users = "members.parquet" }',
        )


def _split(frame: Any, options: Mapping[str, Any], share: float, salt: int) -> tuple[Any, Any, str]:
    """The table in two, and in words who went where: by a hash of the cluster or the user, or else by lot."""
    facts = frame_facts(frame)
    table = open_table(frame)
    seed = options.get("seed", 0)
    seed = int(seed) if isinstance(seed, int) and not isinstance(seed, bool) else 0  # the verb refuses another one
    column = _key(table, options)
    if column is None:
        apart = np.random.default_rng([seed, salt]).random(table.n) < share
        how = "drawn by lot (no column names the users)"
    else:
        codes = identifiers(table, column, "unit")
        keys = np.array([f"{seed} {salt} {label}" for label in codes.labels], dtype=object)
        apart = (pd.util.hash_array(keys) * _OWN < np.uint64(share * 2**64))[codes.codes]
        how = f"by a hash of {column!r}"
    told = f"{int(apart.sum()):,} of {table.n:,} rows were kept apart, {how}."
    return _rows(table, ~apart, facts), _rows(table, apart, facts), told


def _key(table: Table, options: Mapping[str, Any]) -> str | None:
    named = [options.get("cluster"), options.get("unit")]
    taken = {options.get("outcome", "gmv"), options.get("treatment", "treatment"), *options.get("features", ())}
    return next((c for c in (*named, named_unit(table.columns, taken)) if isinstance(c, str)), None)


def _rows(table: Table, keep: NDArray[np.bool_], facts: dict[str, Any]) -> Any:
    if not keep.any():
        raise InputError("no row is left on one side of test=", remedy="keep another share of the users apart")
    found = table.frame.filter(keep.tolist()).to_native()
    if not facts:
        return found
    frame = found if isinstance(found, pd.DataFrame) else found.to_pandas()
    frame.attrs["gmvcausal"] = facts  # what `Logs` wrote about the table holds for its parts
    return frame


def _listed(model: Uplift, data: Any, effects: NDArray[np.float64], plan: Policy | None) -> pd.DataFrame:
    """One row per user: who it is, the effect of every arm, the arm given."""
    column = model.asked.unit
    table = open_table(data, needed=[column] if column else None, optional=UNIT_NAMES)
    column = column or named_unit(table.columns)
    out: dict[str, Any] = (
        {"row": np.arange(table.n)} if column is None else {column: table.series(column, "unit").to_list()}
    )
    out |= {f"effect {label}": effects[:, a] for a, label in enumerate(model.arms)}
    if plan is not None:
        out["assigned"] = plan.assign
    return pd.DataFrame(out)
