"""What one call of `did` asks for: an option that its estimator would ignore is refused."""

from __future__ import annotations

from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.rollout.chance.inference import BY_CONTROLS, BY_SCORES
from gmvcausal.rollout.intake.covariates import ADJUSTMENTS
from gmvcausal.rollout.methods import METHODS

EVERY_INFERENCE = tuple(dict.fromkeys(how for method in METHODS.values() for how in method.inference))
# Options that only some estimators take -> what they are when not given.
PARTICULAR: dict[str, Any] = {
    "control": "never_treated",
    "base_period": "varying",
    "assignment": None,
    "ssc": "nested",
    "dose": None,
    "eligible": None,
    "exposed": None,
    "edges": None,
}
# Options that take the units one by one, beside those by which rows are read (`intake.scan.by_row`).
_ONE_BY_ONE = ("treated", "weights", "winsorise", "exposed", "edges")
# Options without which an estimator has nothing to estimate.
_NEEDED = {
    "dose": ("dose", "the column of the dose of each treated unit"),
    "eligible": ("triple", "the 0/1 column of whom the tactic is meant for"),
}


def refuse_unused(options: dict[str, Any]) -> None:
    """An option that the estimator would ignore is refused: whoever gave it expects it to matter."""
    estimator = options["estimator"]
    method = METHODS[estimator]
    if options["covariates"] and "covariates" not in method.takes:
        raise InputError(
            f"covariates= has no meaning for estimator={estimator!r}",
            remedy=f"use {_takers('covariates')}, or match the units first (gc.match)",
        )
    if not options["covariates"] and options["adjustment"] != ADJUSTMENTS[0]:
        raise InputError(
            "adjustment= has no meaning without covariates=", remedy="name the covariates, or leave it out"
        )
    if options["covariates"] and options["inference"] in BY_CONTROLS:
        raise InputError(
            f"inference={options['inference']!r} is not made with covariates=: it would compare without them",
            remedy="leave one of them out",
        )
    if options["covariates"] and options["assignment"] is not None:
        raise InputError(
            "assignment= is not used with covariates=: the lot is drawn anew without them",
            remedy="leave one of them out",
        )
    for name, default in PARTICULAR.items():
        if name == "ssc" and options[name] == "none" and name not in method.takes:
            continue  # that is what an estimator without a small-sample factor does
        if name not in method.takes and options[name] != default:
            raise InputError(
                f"{name}= has no meaning for estimator={estimator!r}",
                remedy=f"leave {name}= out, or use {_takers(name)}",
            )
    for name, (who, what) in _NEEDED.items():
        if estimator == who and options[name] is None:
            raise InputError(f"estimator={who!r} needs {name}=, {what}", remedy=f"pass {name}={name!r}")
    if options["edges"] is None and options["exposure"] != "any":
        raise InputError("exposure= has no meaning without edges=", remedy="pass edges=, or leave it out")
    how = options["inference"]
    if how is not None and how not in method.inference:
        own = f", or choose one of {', '.join(method.inference)}" if method.inference else ""
        if how in BY_CONTROLS:
            raise InputError(
                f"inference={how!r} puts the changes of controls in the place of those of the treated, and "
                f"estimator={estimator!r} is no difference of mean changes",
                remedy=f"leave inference= out{own}",
            )
        raise InputError(
            f"inference= has no meaning as {how!r} for estimator={estimator!r}", remedy=f"leave inference= out{own}"
        )
    if options["treated"] is not None and options["first_treated"] not in ("first_treated", options["treated"]):
        raise InputError(
            f"treated={options['treated']!r} is used in place of first_treated=, and both are given",
            remedy="leave one of them out: they may disagree",
        )
    if options["never"] is not None and options["treated"] is not None:
        raise InputError(
            "never= is a code in first_treated, but treated= is used in its place", remedy="leave never= out"
        )


def one_by_one(options: dict[str, Any]) -> tuple[str, ...]:
    """What a call asks for that takes the units one by one, as one would write it."""
    found = [] if METHODS[options["estimator"]].summed else [f"estimator={options['estimator']!r}"]
    found += [f"{name}=" for name in _ONE_BY_ONE if options[name] is not None]
    found += [f"inference={options['inference']!r}"] if options["inference"] in BY_SCORES else []
    return tuple(found)


def _takers(option: str) -> str:
    """The estimators that take an option, as one would write them."""
    names = [name for name, method in METHODS.items() if option in method.takes]
    return f"estimator={names[0]!r}" + "".join(f" or {name!r}" for name in names[1:3])
