"""What a run found: scores by cell, gates, a table, figures and the page."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import InputError
from gmvcausal.trust.bounds import LEAST
from gmvcausal.trust.cells import Cell, from_spec
from gmvcausal.trust.gates import Gate, applicable, gates, passes_at
from gmvcausal.trust.store import Done, clean, read_json, restored, write_json

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# Normal quantile of the intervals against which lengths are held.
_Z = 1.959963984540054
_SHOWN = (
    "reps",
    "failed",
    "no_interval",
    "refused",
    "truth",
    "bias",
    "bias_mc",
    "bias_sd",
    "sd",
    "rmse",
    "rmse_mc",
    "se_ratio",
    "se_ratio_mc",
    "coverage90",
    "coverage95",
    "coverage95_mc",
    "coverage99",
    "below95",
    "above95",
    "coverage95_if_credible",
    "type1_10",
    "type1_5",
    "type1_5_mc",
    "type1_1",
    "power_5",
    "power_5_mc",
    "detectable",
    "length95",
    "band",
    "band_mc",
)


@dataclass(frozen=True, eq=False)
class CellResult:
    """The scores of one cell.

    Attributes
    ----------
    cell : Cell
    scores : mapping of str to float
        Every number with its Monte Carlo error under ``name_mc``; also ``audit`` (how often each check warned and
        failed) and ``reasons`` (why intervals or results are missing).
    seconds : float
        Of all its calls together.
    versions : mapping of str to str
        Of Python, packages and the source that the numbers came from.
    done : Done, optional
        The replicates; None where the scores were read from a folder.
    """

    cell: Cell
    scores: Mapping[str, Any]
    seconds: float
    versions: Mapping[str, str]
    done: Done | None = None

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """The gates that are judged, met or not."""
        return gates(self.cell, self.scores)

    @property
    def unjudged(self) -> int:
        """Gates that so few replicates cannot decide."""
        return len(applicable(self.cell, self.scores)) - len(self.gates)


@dataclass(frozen=True, eq=False)
class Report:
    """What a run found.

    Attributes
    ----------
    results : tuple of CellResult
        In the order of the plan.
    seed : int
    """

    results: tuple[CellResult, ...]
    seed: int

    def __getitem__(self, cell: str) -> CellResult:
        for result in self.results:
            if result.cell.id == cell:
                return result
        raise InputError(
            f"the report has no cell {cell!r}", remedy=f"its cells are {', '.join(r.cell.id for r in self.results)}"
        )

    @property
    def gates(self) -> tuple[Gate, ...]:
        """All gates of all cells that are judged."""
        return tuple(gate for result in self.results for gate in result.gates)

    @property
    def verdict(self) -> str:
        """In a sentence or two, whether the gates hold and which were not judged."""
        failed, open_, total = len(self.failed), len(self.undecided), len(self.gates)
        left = sum(r.unjudged for r in self.results)
        if failed:
            said = f"{failed} of {total} gates do not hold."
        elif open_:
            said = f"{total - open_ - len(self.explained)} of {total} gates hold"
            said += f", {len(self.explained)} are explained." if self.explained else "."
        elif not left:
            said = f"All {total} gates hold" + (" or are explained." if self.explained else ".")
        else:
            said = "No gate that was judged fails."
        if open_:
            said += f" {open_} more are met and yet undecided: in so few replicates a wrong answer could meet them too."
        if left:
            said += f" {left} of {total + left} gates were not judged: fewer than {LEAST} replicates decide nothing"
            said += " but whether every run ended."
        return said

    @property
    def failed(self) -> tuple[Gate, ...]:
        """Gates that are not met and that nothing explains."""
        return tuple(gate for gate in self.gates if gate.failed)

    @property
    def undecided(self) -> tuple[Gate, ...]:
        """Gates that are met in too few replicates to say that they hold."""
        return tuple(gate for gate in self.gates if gate.undecided)

    @property
    def explained(self) -> tuple[Gate, ...]:
        """Gates that are not met, with the explanation recorded beside their cell."""
        return tuple(gate for gate in self.gates if not gate.passed and gate.explanation)

    def best_sd(self, market: str) -> float:
        """Spread of the least noisy valid estimator in a world: what lengths of intervals are held against."""
        known = [
            r.scores["sd"]
            for r in self.results
            if r.cell.market == market and r.cell.role in ("valid", "power", "size") and r.scores["sd"] > 0
        ]
        return min(known, default=math.nan)

    def length_ratio(self, result: CellResult) -> float:
        """Mean length of the 95 % interval over that of the best known, 2 x 1.96 x the least sd of valid estimators."""
        return float(result.scores["length95"] / (2 * _Z * self.best_sd(result.cell.market)))

    def to_frame(self) -> pd.DataFrame:
        """One row per cell: id, world, role, its scores with Monte Carlo errors, gates not met, seconds."""
        import pandas as pd

        rows = []
        for r in self.results:
            shown = {name: r.scores.get(name, math.nan) for name in _SHOWN}
            rows.append(
                {
                    "cell": r.cell.id,
                    "world": r.cell.world,
                    "role": r.cell.role,
                    **shown,
                    "length_ratio": self.length_ratio(r),
                    "failed_gates": ", ".join(g.name for g in r.gates if g.failed),
                    "explained_gates": ", ".join(g.name for g in r.gates if not g.passed and g.explanation),
                    "seconds": r.seconds,
                }
            )
        return pd.DataFrame(rows)

    def audits(self) -> pd.DataFrame:
        """One row per cell and check: cell, role, check, warned, failed, not_run (shares of its runs)."""
        import pandas as pd

        rows = [
            {"cell": r.cell.id, "role": r.cell.role, "check": name, **shares}
            for r in self.results
            for name, shares in r.scores["audit"].items()
        ]
        return pd.DataFrame(rows, columns=["cell", "role", "check", "warned", "failed", "not_run"])

    def judgements(self) -> pd.DataFrame:
        """One row per gate: cell, gate, value, mc_error, what would have passed (low to high), verdict, warning.

        Verdicts are holds, undecided (met in too few replicates), explained and fails.
        """
        import pandas as pd

        head = ["cell", "gate", "value", "mc_error", "low", "high", "verdict", "warning"]
        rows = [(g.cell, g.name, g.value, g.mc_error, g.low, g.high, g.verdict, g.warning) for g in self.gates]
        return pd.DataFrame(rows, columns=head)

    def _what_passes(self) -> list[str]:
        """For each kind of gate, how many there are, how many undecided, and the widest range that passed."""
        lines = ["", "What would have passed, at the widest:"]
        for name in dict.fromkeys(g.name for g in self.gates if g.name != "runs"):
            found = [g for g in self.gates if g.name == name]
            known = [g for g in found if not math.isnan(g.high - g.low)]
            if known:
                widest = passes_at(max(known, key=lambda g: g.high - g.low))
                open_ = sum(g.undecided for g in found)
                lines.append(f"  {name}: {widest} ({len(found)} gates, {open_} undecided)")
        return lines if len(lines) > 2 else []

    def summary(self) -> str:
        """A compact table, then each gate that is not met in words."""
        head = ("cell", "reps", "bias/sd", "SE/sd", "95 %", "size", "power", "band", "no int.", "refused", "gates")
        rows: list[tuple[str, ...]] = [head]
        for r in self.results:
            s = r.scores
            missed = [g for g in r.gates if not g.passed]
            held = "not judged" if r.unjudged else "undecided" if any(g.undecided for g in r.gates) else "ok"
            verdict = held if not missed else "FAILED" if any(g.failed for g in missed) else "explained"
            shown = [_cell(s.get(k)) for k in ("coverage95", "type1_5", "power_5", "band", "no_interval", "refused")]
            rows.append(
                (r.cell.id, f"{s['reps']:,}", _plain(s["bias_sd"], 2), _plain(s["se_ratio"], 3), *shown, verdict)
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = [_aligned(row, widths) for row in rows]
        for title, found in (("Failed gates", self.failed), ("Not met, and explained", self.explained)):
            if found:
                lines += ["", f"{title}:"]
                lines += [f"  {g.cell}: {g.words}" + (f". {g.explanation}" if g.explanation else "") for g in found]
        warned = [f"  {g.cell}: {g.warning} ({g.words})" for g in self.gates if g.passed and g.warning]
        lines += ["", "Met, and worth a look:", *warned] if warned else []
        lines += self._what_passes()
        if not self.failed or self.undecided or any(r.unjudged for r in self.results):
            lines += ["", self.verdict]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()

    def plot(self, kind: str = "coverage") -> Figure:
        """Draw ``"coverage"``, ``"size"`` or ``"audit"``."""
        from gmvcausal.trust.figures import plot

        return plot(self, kind)

    def write_page(
        self, page: str | os.PathLike[str], *, assets: str | os.PathLike[str], data: str | os.PathLike[str]
    ) -> Path:
        """Write the page, its figures into `assets`, and the scores that it is made of, as JSON, into `data`.

        The page is made from the JSON just written, so that it can be made again from there.
        """
        from gmvcausal.trust.page import write_page

        folder = Path(data)
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.json"):
            old.unlink()
        for number, r in enumerate(self.results):
            kept = {
                "order": number,
                "cell": r.cell.spec(),
                "seed": self.seed,
                "versions": dict(r.versions),
                "scores": _short(clean(r.scores)),
                "seconds": {"total": round(r.seconds, 1)},
            }
            write_json(folder / r.cell.file, kept, indent=0)
        return write_page(folder, page, assets)


def _short(value: Any) -> Any:
    """Numbers to seven digits: what is printed needs four."""
    if isinstance(value, Mapping):
        return {k: _short(v) for k, v in value.items()}
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    """Names to the left, numbers to the right."""
    return "  ".join(v.rjust(w) if i else v.ljust(w) for i, (v, w) in enumerate(zip(row, widths, strict=True)))


def _cell(value: Any) -> str:
    return "" if value is None or value != value else f"{100 * value:.1f} %"


def _plain(value: float, digits: int) -> str:
    return "" if value != value else f"{value:.{digits}f}"


def read_report(folder: str | os.PathLike[str]) -> Report:
    """A report from a folder of JSON files, one per cell."""
    found = [json for file in sorted(Path(folder).glob("*.json")) if (json := read_json(file)) is not None]
    if not found:
        raise InputError(
            f"the folder {str(folder)!r} holds no results", remedy="name the folder that trust.run wrote into"
        )
    found.sort(key=lambda j: j.get("order", 0))
    try:
        results = tuple(
            CellResult(from_spec(j["cell"]), restored(j["scores"]), float(j["seconds"]["total"]), j["versions"])
            for j in found
        )
        return Report(results, int(found[0]["seed"]))
    except (KeyError, TypeError):
        raise InputError(
            f"the folder {str(folder)!r} holds JSON that no run wrote",
            remedy="name the folder that trust.run wrote into",
        ) from None
