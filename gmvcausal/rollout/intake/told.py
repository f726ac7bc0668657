"""What is said of the reading of a panel: notes, counts of what was left out, and facts that no longer hold."""

from __future__ import annotations

from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.times import Times
from gmvcausal.rollout.intake.cohorts import Cohorts
from gmvcausal.rollout.intake.grid import Grid


def single_cluster(name: str) -> InputError:
    """Nothing varies between clusters where there is one."""
    return InputError(
        "there is a single cluster, so no standard error exists", column=name, remedy="cluster by a finer column"
    )


def say_read(filled: int, calendar: Times, notes: list[str]) -> None:
    """Note gaps that were filled, and the zone of the times."""
    if filled:
        notes.append(f"{filled:,} missing outcomes were set to 0, as missing='zero' asked")
    if calendar.zone is not None:
        notes.append(f"times carry the zone {calendar.zone}; periods are days and hours on its clock")


def say_grid(grid: Grid, notes: list[str]) -> None:
    """Note how the periods were read, and which are missing."""
    if grid.note:
        notes.append(grid.note)
    if grid.gaps:
        notes.append(
            f"{grid.gaps:,} periods are missing between the first and the last for every unit; event time counts them"
        )


def forget_unit(meta: dict[str, Any], outcome: str, rows: int, total: float, notes: list[str]) -> None:
    """Where the values have changed since `Logs` made the frame, what it said of their unit no longer holds."""
    sums = meta.get("sums")
    known = sums.get(outcome) if isinstance(sums, dict) else None
    if known is None or meta.get("rows") != rows:
        return
    if abs(total - float(known)) > 1e-9 * max(abs(total), abs(float(known)), 1.0):
        meta.pop("outcome_unit", None)
        meta["changed"] = True
        notes.append(f"{outcome!r} has changed since Logs made the frame, so its unit is not known any more")


def tell(
    found: Cohorts, notes: list[str], dropped: dict[str, int], column: str, never: Any, *, kept: bool, word: str | None,
    who: str,
) -> None:  # fmt: skip
    """Notes and counts of what was read; `kept` where the estimator takes units treated from the first period on,
    `word` the text that was read as missing, and `who` what is counted: units or rows.
    """
    if found.undated:
        where = "missing or infinite" if word is None else f"missing, infinite or {word!r}"
        notes.append(f"{found.undated:,} {who} count as never treated: {column!r} is {where} there")
    if never is not None:
        # A code that no unit holds is likely a slip.
        held = (
            f"{found.coded:,} {who} count as never treated: they hold"
            if found.coded
            else f"no {who.removesuffix('s')} holds"
        )
        notes.append(f"{held} the code never={never!r} in {column!r}")
    if found.zero_is_never:
        notes.append(
            f"0 in {column!r} was read as never treated: no period is 0 and no other date lies before the first period"
        )
    if found.late:
        notes.append(
            f"{found.late:,} {who} are first treated after the last period, so they are untreated in these data"
        )
    if found.always and kept:
        notes.append(f"{found.always:,} {who} are under the tactic from the first period on and are kept as such")
    elif found.always:
        dropped["already treated at the start"] = found.always
    if found.excluded:
        dropped["treated after the data but within the anticipation window"] = found.excluded
