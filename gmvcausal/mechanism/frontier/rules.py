"""The published rules of the audit of `gc.efficiency`: what is looked at, and from where on it warns or fails."""

from __future__ import annotations

from gmvcausal.results.rule import Rule, Rules, table_of

_RULES: dict[str, Rule] = {
    "units": Rule(
        "units over the number that so many inputs (m) and outputs (s) ask for, max(m s, 3 (m + s))",
        1,
        1 / 3,
        small_is_bad=True,
    ),
    "discrimination": Rule("share of the units with a score of 1", 0.5, 0.9),
    "super_efficiency": Rule(
        "largest score of a unit against the others alone (Andersen and Petersen); a wrong record looks like this", 2
    ),
    "leverage": Rule("by how much the mean score of the others rises, at most, when one unit is left out", 0.05),
    "ranking": Rule("share of the pairs of units whose intervals overlap, so that which is better is not known", 0.5),
    "bias_correction": Rule(
        "share of the units whose bias is small beside its noise, so that the correction adds more noise than it takes "
        "away (bias squared < 3 variances)",
        0.5,
    ),
    "constant_column": Rule("inputs and outputs that are the same for all units", 0),
    "identical_units": Rule("units with the inputs and outputs of an earlier one", 0),
    "infeasible": Rule("share of the changes that have no solution against the other period (`time=`)", 0, 0.2),
    "attrition": Rule("share of unit-periods without the unit in the period before (`time=`)", 0.1),
}
RULES = Rules(_RULES)

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)
