"""A cell: one way of asking one estimator in one world, how often, and what is expected of the answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.params import one_of, said

# What is expected of each role; a cell may name other gates.
ROLES: dict[str, tuple[str, ...]] = {
    "valid": ("runs", "coverage", "se", "interval", "band", "refused_valid"),
    "size": ("runs", "size"),
    "power": ("runs", "power"),
    "fails on purpose": ("runs", "seen_failing"),
    "audit violation": ("runs", "refused_violation"),
    "shown": ("runs",),
}
GATES = (
    *("runs", "coverage", "se", "size", "power", "interval", "band"),
    *("seen_failing", "refused_valid", "refused_violation", "fires"),
    *("misses", "tails", "flag", "at_most", "at_least", "bias"),
)
# Fields that came later: left out of the spec where they say nothing, so that what was kept before stays valid.
_LATER: dict[str, Any] = {"term": "", "relative": False, "most": None, "least": None}


@dataclass(frozen=True, eq=True)
class Cell:
    """One estimator in one world.

    Attributes
    ----------
    id : str
        Its name, unique in a plan: letters, digits, ``- _ . /``.
    world : str
        A name that `gmvcausal.simulate.world` knows, or ``"module:function"`` with the same signature.
    role : {"valid", "size", "power", "fails on purpose", "audit violation", "shown"}
    n : int, optional
        Units; the world's own default if None.
    dials : mapping
        Of the world.
    call : mapping
        Arguments of the verb that differ from those of the world's design; None leaves the design's word out.
    table : mapping, optional
        How `Logs` makes the table where not as the design says: ``{"method": "stack", "window": (-4, 3), ...}``.
    verb : str
        A public verb, or ``"module:function"``.
    reps : int
    null : bool
        Whether the true effect is zero: type-I errors are then counted, else power.
    mde : float, optional
        The effect, in units of the outcome, at which power is stated.
    check : str
        The check that a violation is meant to fire.
    clean : str
        The id of the cell without the violation.
    explanation : mapping of str to str
        Gate to why it may fail here. It never hides the number: the page prints both.
    gates : tuple of str, optional
        Which gates apply; those of the role if None.
    term : str
        The row of the answer that is scored, by its name in ``to_frame()``; empty for the headline. Cells that differ
        in nothing else are read off one answer.
    relative : bool
        Whether the row's relative effect is scored, at 95 %.
    most : float, optional
        The share of rejections at 5 % that the gate "at_most" allows.
    least : float, optional
        The coverage at 95 % that the gate "at_least" asks for.

    Examples
    --------
    >>> cell = Cell("D5/two_by_two", "D5", call={"estimator": "two_by_two"}, reps=100)
    >>> cell.applying
    ('runs', 'coverage', 'se', 'interval', 'band', 'refused_valid')
    """

    id: str
    world: str
    role: str = "valid"
    n: int | None = None
    dials: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    table: Mapping[str, Any] | None = None
    verb: str = "did"
    reps: int = 500
    null: bool = False
    mde: float | None = None
    check: str = ""
    clean: str = ""
    explanation: Mapping[str, str] = field(default_factory=dict)
    gates: tuple[str, ...] | None = None
    term: str = ""
    relative: bool = False
    most: float | None = None
    least: float | None = None

    def __post_init__(self) -> None:
        name: Any = self.id
        if not isinstance(name, str) or not name or not all(c.isalnum() or c in "-_./" for c in name):
            raise InputError(
                f"the id of a cell must be made of letters, digits, - _ . and /, but is {said(self.id)}",
                remedy="write for example 'D6/callaway_santanna'",
            )
        one_of("role", self.role, tuple(ROLES))
        whole("reps", self.reps, 1)
        reasons: Any = self.explanation
        if not isinstance(reasons, Mapping):
            raise InputError(
                f"explanation must map a gate to its reason, but is {said(reasons)}",
                remedy="write explanation={'coverage': 'why it is missed here'}",
            )
        for gate in (*(self.gates or ()), *self.explanation):
            one_of("gates", gate, GATES)
        if self.gates is not None:
            object.__setattr__(self, "gates", tuple(self.gates))
        if self.relative and not self.term:
            raise InputError(
                f"cell {self.id!r} scores a relative effect, but names no row of the answer",
                remedy="name it, for example term='gmv'",
            )
        if "at_most" in self.applying and self.most is None:
            raise InputError(f"cell {self.id!r} has the gate 'at_most' without a bound", remedy="write most=0.055")
        if "at_least" in self.applying and self.least is None:
            raise InputError(f"cell {self.id!r} has the gate 'at_least' without a bound", remedy="write least=0.94")
        self._as_json()

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def applying(self) -> tuple[str, ...]:
        """The gates that apply."""
        return ROLES[self.role] if self.gates is None else self.gates

    @property
    def market(self) -> str:
        """What names the simulated market: cells that share it are asked about the same draws."""
        return json.dumps([self.world, self.n, dict(self.dials)], sort_keys=True)

    @property
    def key(self) -> str:
        """What a replicate depends on, in short: not how many there are, nor what is expected of them."""
        parts = [self.market, *self._asked]
        if self.term:
            parts += [self.term, self.relative]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def _asked(self) -> list[Any]:
        return [dict(self.call), None if self.table is None else dict(self.table), self.verb]

    @property
    def question(self) -> str:
        """What names the call on a market: cells that share it are read off one answer."""
        return json.dumps(self._asked, sort_keys=True)

    @property
    def apart(self) -> bool:
        """Whether a section of its own shows it: worlds drawn without logs, `uplift`, no lot, surrogates, networks."""
        drawn = self.world.startswith(("gmvcausal.trust.trials:", "gmvcausal.trust.roll_outs:"))
        return (
            drawn
            or self.id.startswith(("mediate/", "quasi/", "series/", "surrogate/", "spillover/"))
            or self.verb.startswith("gmvcausal.trust.asks_uplift:")
        )

    @property
    def file(self) -> str:
        """Name of its JSON file."""
        return self.id.replace("/", "__") + ".json"

    def spec(self) -> dict[str, Any]:
        """Everything that defines the cell, as JSON holds it."""
        found: dict[str, Any] = json.loads(self._as_json())
        return found

    def _as_json(self) -> str:
        names = self.__dataclass_fields__
        try:
            values = {name: getattr(self, name) for name in names}
            said = {k: v for k, v in values.items() if k not in _LATER or v != _LATER[k]}
            return json.dumps(said, sort_keys=True, default=_plain)
        except (TypeError, ValueError):
            raise InputError(
                f"cell {self.id!r} holds something that JSON cannot", remedy="use text, numbers, lists and mappings"
            ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def from_spec(spec: Mapping[str, Any]) -> Cell:
    """The cell that `spec` was made from."""
    gates = spec.get("gates")
    return Cell(**{**spec, "gates": None if gates is None else tuple(gates)})


def whole(name: str, value: Any, low: int) -> int:
    """A whole number of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise InputError(
            f"{name} must be a whole number of at least {low}, but is {said(value)}",
            remedy=f"pass {name}={low} or more",
        )
    return value


def checked(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells as a tuple: at least one, of unique ids that fall into files of their own."""
    found = tuple(cells)
    if not found:
        raise InputError("there are no cells to run", remedy="leave cells= out for the whole plan")
    for cell in found:
        if not isinstance(cell, Cell):
            raise InputError(
                f"cells must be a list of Cell, but holds {said(cell)}", remedy="make them with trust.Cell"
            )
    names = [cell.file.lower() for cell in found]
    twice = sorted({cell.id for cell in found if names.count(cell.file.lower()) > 1})
    if twice:
        raise InputError(f"cells share the id {twice[0]!r}", count=len(twice), remedy="give every cell its own id")
    return found


def select(cells: Sequence[Cell], pattern: str) -> tuple[Cell, ...]:
    """The cells whose id matches `pattern`: a piece of it, or a glob such as ``"D8/*"``."""
    found = tuple(c for c in cells if pattern in c.id or fnmatchcase(c.id, pattern))
    if not found:
        raise InputError(
            f"no cell matches {pattern!r}", remedy=f"the cells are {', '.join(c.id for c in cells[:8])}, ..."
        )
    return found
