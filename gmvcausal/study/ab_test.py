"""The options of an A/B answer: metrics as tables of TOML, and `"none"` where Python says None."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gmvcausal.abtest.metrics import Gmv, Mean, Metric, Proportion, Quantile, Ratio
from gmvcausal.errors import InputError
from gmvcausal.frames.rules import nearest

# The key that says which metric it is -> how it is made from that key's value, and its further options.
_KINDS: dict[str, tuple[Callable[..., Metric], int, tuple[str, ...]]] = {
    "mean": (Mean, 1, ("pre", "cap", "model")),
    "proportion": (Proportion, 1, ()),
    "ratio": (Ratio, 2, ("pre", "cap", "model")),
    "quantile": (Quantile, 2, ()),
    "gmv": (Gmv, 1, ("orders", "visits")),
}
_EXAMPLE = 'write metrics = [{ mean = "gmv", pre = "gmv_pre" }, { ratio = ["gmv", "orders"] }]'


def read_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `ab_test` as the verb takes them.

    Raises
    ------
    InputError
        No metrics, a metric of no known kind, an option that its kind does not have (with the nearest known one).
    """
    if "metrics" not in options:
        raise InputError("ab_test names no metrics", remedy=_EXAMPLE)
    listed = options["metrics"]
    found = {key: _none(value) if key in ("hc", "adjust") else value for key, value in options.items()}
    return found | {"metrics": [_metric(one) for one in (listed if isinstance(listed, list) else [listed])]}


def _metric(table: Any) -> Any:
    if isinstance(table, str):
        return table  # the verb takes a name as a mean
    if not isinstance(table, dict) or not table:
        raise InputError(f"metrics holds {table!r}, which is no metric", remedy=_EXAMPLE)
    kinds = [key for key in table if key in _KINDS]
    if len(kinds) != 1:
        near = nearest(next(iter(table)), list(_KINDS), "say with one of") if not kinds else "split it into several"
        raise InputError(f"a metric must be of one kind, but holds {', '.join(map(repr, table))}", remedy=near)
    kind = kinds[0]
    make, count, options = _KINDS[kind]
    for key in table:
        if key not in (kind, *options):
            raise InputError(
                f"the metric {kind} has no option {key!r}", remedy=nearest(key, [kind, *options], "use one of")
            )
    value = table[kind]
    values = value if isinstance(value, list) and count > 1 else [value]
    if len(values) != count:
        example = '["gmv", "orders"]' if kind == "ratio" else '["gmv", 0.9]'
        wrong = f"the metric {kind} takes {count} values, but has {value!r}"
        raise InputError(wrong, remedy=f"write {kind} = {example}")
    more = {key: _none(table[key]) if key == "cap" else table[key] for key in options if key in table}
    if kind == "gmv":
        if "orders" not in more:
            raise InputError("the metric gmv takes orders", remedy='write { gmv = "gmv", orders = "orders" }')
        return Gmv(gmv=values[0], **more)
    return make(*values, **more)


def _none(value: Any) -> Any:
    """TOML has no word for None."""
    return None if value == "none" else value
