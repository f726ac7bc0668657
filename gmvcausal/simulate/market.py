"""What a simulation returns: raw logs as `gmvcausal.Logs` takes them, and the truth beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.logs.contract import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from gmvcausal.logs.logs import Logs


class MarketLogs(Mapping[str, Any]):
    """The raw logs of a market, each a data frame.

    Every table is an attribute (``logs.orders``, ``logs.sessions``); `tables` holds them all. As a mapping it holds
    just what `gmvcausal.Logs` takes, so that ``gc.Logs(**market.logs)`` reads the market as a shop's own logs would be
    read.

    Parameters
    ----------
    tables : mapping of str to DataFrame
    columns : mapping of str to str
        Roles of the columns, for `Logs`.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], columns: Mapping[str, str]) -> None:
        self.tables = dict(tables)
        self._inputs: dict[str, Any] = {name: table for name, table in self.tables.items() if name in ROLES}
        self._inputs["columns"] = dict(columns)

    def __getitem__(self, name: str) -> Any:
        if name in self._inputs:
            return self._inputs[name]
        if name in self.tables:
            raise KeyError(
                f"{name} is not one of the tables that Logs takes; every table is an attribute, logs.{name}, "
                f"and stands in logs.tables[{name!r}]"
            )
        raise KeyError(f"the market has no table {name!r}; logs.tables holds {', '.join(self.tables)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    def __getattr__(self, name: str) -> Any:
        # Looked up in __dict__, because copying and unpickling ask for attributes before there are any.
        tables = self.__dict__.get("tables", {})
        if name in tables:
            return tables[name]
        raise AttributeError(f"the market has no table {name!r}; its tables are {', '.join(tables)}")

    def __repr__(self) -> str:
        lines = [f"{name}: {len(table):,} rows ({', '.join(table.columns)})" for name, table in self.tables.items()]
        return "\n".join(lines)


class Term(NamedTuple):
    """One true number.

    Attributes
    ----------
    term : str
        Its name, for example ``"att"``, ``"direct"``, ``"spillover"``, ``"borrowed"``, ``"taken"``, ``"refunded"``.
    estimand, unit : str
        What it is, and its unit of measurement.
    value : float
    std_error : float
        Monte Carlo standard error; 0 where the value is closed arithmetic.
    """

    term: str
    estimand: str
    unit: str
    value: float
    std_error: float = 0.0


@dataclass(frozen=True, eq=False)
class Truth:
    """What each tactic really did.

    Attributes
    ----------
    terms : tuple of Term
    target : str
        The term that the world's estimator is to recover.
    event_study : DataFrame, optional
        event_time, att, n: the true effect by event time on the treated.
    users : DataFrame, optional
        One row per user with the expected effect on that user (``cate``) and what explains it.
    """

    terms: tuple[Term, ...]
    target: str
    event_study: pd.DataFrame | None = None
    users: pd.DataFrame | None = None

    def __getitem__(self, term: str) -> float:
        return self._find(term).value

    def _find(self, term: str) -> Term:
        for one in self.terms:
            if one.term == term:
                return one
        names = [one.term for one in self.terms]
        raise InputError(f"the truth has no term {term!r}", remedy=rules.nearest(term, names, "its terms are"))

    @property
    def value(self) -> float:
        """The target's value."""
        return self[self.target]

    @property
    def std_error(self) -> float:
        """The target's Monte Carlo standard error."""
        return self._find(self.target).std_error

    def to_frame(self) -> pd.DataFrame:
        """All terms: term, estimand, unit, value, std_error, and whether it is the target."""
        import pandas as pd

        frame = pd.DataFrame(list(self.terms), columns=list(Term._fields))
        return frame.assign(target=frame["term"] == self.target)


@dataclass(frozen=True)
class Design:
    """How the market is read by the verb that it is made for.

    Attributes
    ----------
    verb : str
        For example ``"did"``.
    table : str
        The method of `Logs` that makes the verb's table: ``"panel"``, ``"users"`` or ``"stack"``.
    logs, options, call : mapping
        Keyword arguments of `Logs` (beyond the tables), of that method, and of the verb.
    """

    verb: str
    table: str
    options: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    logs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Market:
    """A simulated livestream market.

    Attributes
    ----------
    name : str
        The world's name, or "livestream".
    logs : MarketLogs
    design : Design
    note : str
        What this market is for, in a sentence.
    """

    name: str
    logs: MarketLogs
    design: Design
    make_truth: Callable[[], Truth]
    note: str = ""

    @cached_property
    def truth(self) -> Truth:
        """What each tactic really did; worked out when first asked for, from the same draws."""
        return self.make_truth()

    def to_logs(self) -> Logs:
        """The logs read by `gmvcausal.Logs`."""
        from gmvcausal.logs.logs import Logs

        return Logs(**self.logs, **self.design.logs)

    def table(self) -> pd.DataFrame:
        """The table of the market's design: for example the panel that `gmvcausal.did` takes."""
        self._check_comparison()
        frame: pd.DataFrame = getattr(self.to_logs(), self.design.table)(**self.design.options)
        return frame

    def _check_comparison(self) -> None:
        """Refuse a table in which nobody is treated, or everybody from the same day on."""
        tactic, unit = self.design.options.get("tactic"), self.design.options.get("unit", "user")
        exposures = self.logs.tables.get("exposures")
        if exposures is None or "assignments" not in self.logs.tables:
            return  # in the worlds exposures also tell from when those without the tactic are counted
        ours = exposures if tactic is None else exposures[exposures["tactic"] == tactic]
        if not len(ours):
            raise InputError(
                f"no {unit} came under the tactic in this market, so there is nothing to compare",
                remedy=f"ask for more {unit}s, or turn the dials that say who is treated",
            )
        everyone = self.logs.tables.get(f"{unit}s")
        if everyone is not None and ours[unit].nunique() == len(everyone) and ours["start"].nunique() == 1:
            raise InputError(
                f"every {unit} is under the tactic from the same day on, so there is nothing to compare with",
                remedy="raise the dial never, or let rooms adopt on several days"
                if unit == "room"
                else f"ask for more {unit}s, or lower the dial treated_share",
            )

    def write(self, folder: str | Path) -> list[Path]:
        """Write every table and the truth as parquet files into `folder`.

        Parameters
        ----------
        folder : str or Path
            Made if it is not there; files of the same names are replaced. It must hold no other parquet files, so
            that what lies in it is one market.

        Returns
        -------
        list of Path
            One file per table, then ``truth``, and ``truth_users`` and ``truth_event_study`` where the truth has them.

        Raises
        ------
        InputError
            The folder cannot be made, is a file, or holds parquet files that would not be replaced.
        """
        from gmvcausal.simulate.folder import make_folder, refuse_others, truth_frames, write_frame

        to = make_folder(folder)
        # looked at before the truth too, which may take long
        refuse_others(to, [*self.logs.tables, "truth", "truth_users", "truth_event_study"])
        frames = self.logs.tables | truth_frames(self.truth)
        refuse_others(to, frames)
        return [write_frame(to, name, frame) for name, frame in frames.items()]

    def __repr__(self) -> str:
        return f"Market {self.name}: {self.note}\n{self.logs!r}"
