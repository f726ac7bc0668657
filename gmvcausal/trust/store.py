"""What is kept on disk: one JSON per finished cell, and the replicates of unfinished ones line by line."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from gmvcausal.errors import InputError
from gmvcausal.frames.written import whole_file
from gmvcausal.trust.cells import Cell
from gmvcausal.trust.records import Columns, from_json, record_from_json, record_to_json, to_json
from gmvcausal.trust.replicate import Record

_PACKAGES = ("gmvcausal", "numpy", "pandas", "scipy", "duckdb", "lightgbm")
# Numbers flow through these; pages, figures and the command line cannot change them.
_ROOMS = (
    *("errors.py", "frames", "logs", "moments", "stats", "results", "rollout", "abtest", "simulate"),
    "targeting",
    "mechanism",
    *("trust/replicate.py", "trust/trials.py", "trust/roll_outs.py", "trust/asks.py"),
    *("trust/panels.py", "trust/shops.py", "trust/coupons.py", "trust/asks_uplift.py"),
    "trust/foretold.py",
)


class Done(NamedTuple):
    """The finished replicates of one cell: columns, seconds of all calls together."""

    cell: Cell
    columns: Columns
    seconds: float


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of what the numbers depend on, and the hash of our own source."""
    known = {name: version(name) for name in _PACKAGES}
    return {**known, "python": platform.python_version(), "source": source_hash()}


@cache
def source_hash() -> str:
    """Hash of the source files that the numbers flow through."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for room in _ROOMS:
        at = package / room
        for file in [at] if at.is_file() else sorted(at.rglob("*.py")):
            digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def stamp(cell: Cell, seed: int) -> dict[str, Any]:
    """What a stored replicate must agree with to be used again."""
    own = [name.partition(":")[0] for name in (cell.world, cell.verb) if ":" in name]
    files = {name: _file_hash(name) for name in own}
    return {"key": cell.key, "seed": seed, "versions": versions(), "modules": files}


def _file_hash(module: str) -> str:
    """Hash of the file of a module that is not ours."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return ""
    if spec is None or spec.origin is None or not os.path.isfile(spec.origin):
        return ""
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:16]


class Store:
    """A folder of results; without a folder nothing is kept.

    Parameters
    ----------
    folder : path or None
    seed : int
    """

    def __init__(self, folder: str | os.PathLike[str] | None, seed: int) -> None:
        self.folder = None if folder is None else Path(folder)
        self.seed = seed
        if self.folder is not None:
            try:
                (self.folder / "unfinished").mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"the folder {str(folder)!r} cannot be made ({error.strerror or error})",
                    remedy="choose another folder in out=",
                ) from None

    # --- finished cells ---------------------------------------------------------------------------------------------
    def load(self, cell: Cell) -> Done | None:
        """The finished cell, if it is there and was made from the same cell, seed, versions and source."""
        found = None if self.folder is None else read_json(self.folder / cell.file)
        if (
            found is None
            or found.get("stamp") != stamp(cell, self.seed)
            or found.get("cell", {}).get("reps") != cell.reps
        ):
            return None
        try:
            columns = from_json(found["replicates"])
            seconds = float(found["seconds"]["total"])
        except (KeyError, TypeError, ValueError, IndexError):
            return None
        return Done(cell, columns, seconds) if len(columns) == cell.reps else None

    def save(self, done: Done, scores: Mapping[str, Any]) -> None:
        """Write a finished cell."""
        if self.folder is not None:
            write_json(self.folder / done.cell.file, as_json(done, scores, self.seed))

    # --- unfinished cells -------------------------------------------------------------------------------------------
    def _partial(self, market: str) -> Path | None:
        name = hashlib.sha256(market.encode()).hexdigest()[:16]
        return None if self.folder is None else self.folder / "unfinished" / f"{name}.jsonl"

    def resume(self, cells: Iterable[Cell]) -> dict[tuple[str, int], Record]:
        """Replicates kept of cells that share a market, by key and number; a line cut short is left out."""
        cells = list(cells)
        file = self._partial(cells[0].market)
        out: dict[tuple[str, int], Record] = {}
        if file is None or not file.is_file():
            return out
        stamps = {cell.key: _short(stamp(cell, self.seed)) for cell in cells}
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                key, mark, rep, record = json.loads(line)
                if stamps.get(key) == mark:
                    out[key, int(rep)] = record_from_json(record)
            except (ValueError, TypeError):
                continue
        return out

    def keep(self, cells: Iterable[Cell], rep: int, records: Mapping[str, Record]) -> None:
        """Append one replicate of cells that share a market."""
        cells = list(cells)
        file = self._partial(cells[0].market)
        if file is None:
            return
        lines = [
            json.dumps([c.key, _short(stamp(c, self.seed)), rep, record_to_json(records[c.key])], allow_nan=False)
            for c in cells
        ]
        with open(file, "a", encoding="utf-8") as out:
            # A line that an interrupted run left without its end must not swallow the next one.
            out.write("".join(f"\n{line}" for line in lines))

    def forget(self, market: str) -> None:
        """Remove the unfinished replicates of a market whose cells are all written."""
        file = self._partial(market)
        if file is not None:
            file.unlink(missing_ok=True)


def _short(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def as_json(done: Done, scores: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """A finished cell as JSON: the same bytes for the same numbers, but for its seconds."""
    return {
        "cell": done.cell.spec(),
        "seed": seed,
        "versions": versions(),
        "stamp": stamp(done.cell, seed),
        "scores": clean(scores),
        "seconds": {"total": round(done.seconds, 3)},
        "replicates": to_json(done.columns),
    }


def clean(value: Any) -> Any:
    """Numbers as JSON has them: NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(k): clean(v) for k, v in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def restored(value: Any) -> Any:
    """Scores as `clean` wrote them, null being NaN again."""
    if isinstance(value, Mapping):
        return {k: restored(v) for k, v in value.items()}
    if isinstance(value, str):
        return float(value)
    return math.nan if value is None else value


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, or None where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, value: Mapping[str, Any], **style: Any) -> None:
    """Write a file that is whole or not there."""
    text = json.dumps(value, allow_nan=False, **(style or {"separators": (",", ":")}))
    try:
        with whole_file(path) as beside:
            beside.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be written ({error.strerror or error})", remedy="choose another folder in out="
        ) from None
