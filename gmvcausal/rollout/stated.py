"""The options of a call that made the number, in a few words, where the estimate itself does not show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmvcausal.rollout.asked import PARTICULAR
from gmvcausal.rollout.fitted import Fitted, control_rule
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.methods import METHODS

# Said elsewhere in every summary (the assumption, the interval's own line), or without bearing on the headline.
_ELSEWHERE = ("control", "base_period", "covariates", "adjustment")


def choices(options: Mapping[str, Any], panel: Panel, fitted: Fitted) -> tuple[str, ...]:
    """What was chosen, by the caller or by default, wherever it bears on the number.

    Parameters
    ----------
    options : mapping
        Every option of the call.
    """
    method, said = METHODS[options["estimator"]], []
    if "control" in method.takes:
        said.append(f"controls {control_rule(options['control'], panel).replace('_', ' ')}")
    if fitted.synthetic is None:
        cluster = panel.cluster_name
        said.append("clusters: unit" if cluster == options["unit"] else f"clusters: {cluster!r}")
    if options["anticipation"]:
        steps = options["anticipation"]
        said.append(f"effects allowed from {steps} period{'s' if steps > 1 else ''} before the start (anticipation)")
    if options["weights"] is not None:
        said.append(f"units weighted by {options['weights']!r}")
    if options["inference"] is not None:
        distance = f", {options['kernel']} kernel up to {options['cutoff']:g} km" if options["cutoff"] else ""
        said.append(f"inference {options['inference']}{distance}")
    said += [
        f"{name} {options[name]!r}" if isinstance(options[name], str | int | float) else f"{name} given"
        for name, default in PARTICULAR.items()
        if name in method.takes and name not in _ELSEWHERE and options.get(name, default) != default
    ]  # fmt: skip
    return tuple(said)
