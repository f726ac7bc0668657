"""`Logs`: raw orders, exposures, users and rooms, with the roles of their columns declared once and checked once."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from gmvcausal.errors import InputError
from gmvcausal.frames import params
from gmvcausal.frames.engines.choose import choose_engine
from gmvcausal.frames.engines.engine import reading
from gmvcausal.frames.relation import Relation
from gmvcausal.frames.table import quote
from gmvcausal.logs import contract, duplicates, facts, refunds, repeated_lines
from gmvcausal.logs import lines as order_lines
from gmvcausal.logs.calendar import Freq, parse_freq, text

if TYPE_CHECKING:
    from gmvcausal.logs.returns.result import RetentionResult


class Logs:
    """Raw logs: who paid what and when, and who was exposed to which tactic.

    Parameters
    ----------
    orders : frame, path or relation
        One row per order or order line. Roles: user, time, gmv; optional: order, room, product, refund,
        discount.
    exposures : frame, path or relation, optional
        Who was exposed to which tactic from when. Roles: user or room, tactic, start; optional: end.
    users, rooms : frame, path or relation, optional
        One row per user (room): its id, optionally entry and exit, and any attributes.
    coverage : frame, path or relation, optional
        Which products each tactic covers: one row per pair of tactic and product.
    columns : mapping, optional
        Role to column name; a role not named is taken from a column of the role's own name.
    gmv : {"gross", "net"}
        Whether GMV counts refunds. Net needs `refund_window`; orders younger than it are left out and counted.
    gmv_is : {"paid", "list"}
        Whether amounts are what was paid (a coupon's discount already taken off) or list prices.
    refund_window : str, optional
        Time within which refunds come, for example ``"14D"``.
    timezone : str, optional
        The zone whose midnights cut the days. Needed where times carry a zone; zoneless times are local as they stand.
    dedupe : {None, "exact", "keep"}
        What to do with rows that repeat an earlier row; None refuses them.
    engine : SparkSession, optional
        What runs the sums. By default the session of the first Spark frame, and DuckDB where there is none; a session
        given here reads paths too.
    memory_limit : int or str, optional
        Memory that the sums and the tables made from them may take, in bytes or as "2GB": beyond it DuckDB spills to
        temporary files, and a table that would not fit is refused. By default 1 GB for DuckDB's sums, half of the
        machine's memory for a table.

    Raises
    ------
    InputError
        Any rule on columns, ids, times or amounts is broken; the message names the column, the count, the first row
        positions and the remedy.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({"user": [1, 1, 2], "time": ["2025-03-01 10:00", "2025-03-02 11:00", "2025-03-02 12:00"],
    ...                        "gmv": [10.0, 20.0, 5.0]})
    >>> panel = Logs(orders=orders).panel(freq="D")
    >>> panel["gmv"].tolist()
    [10.0, 20.0, 0.0, 5.0]
    """

    def __init__(
        self,
        *,
        orders: Any,
        exposures: Any = None,
        users: Any = None,
        rooms: Any = None,
        coverage: Any = None,
        columns: Mapping[str, str] | None = None,
        gmv: str = "gross",
        gmv_is: str = "paid",
        refund_window: str | None = None,
        timezone: str | None = None,
        dedupe: str | None = None,
        engine: Any = None,
        memory_limit: int | str | None = None,
    ) -> None:
        self._gmv = str(params.check("gmv", gmv))
        self._gmv_is = str(params.check("gmv_is", gmv_is))
        self._timezone = _zone(timezone)
        dedupe = params.check("dedupe", dedupe)
        self._refund_window = _window(self._gmv, refund_window)
        given = {"orders": orders, "exposures": exposures, "users": users, "rooms": rooms, "coverage": coverage}
        limit = params.check("memory_limit", memory_limit)
        self._space = choose_engine(list(given.values()), engine, limit)
        try:
            with reading(self._space):
                self._open(given, columns, dedupe)
        except BaseException:
            self._space.close()  # now: the error holds on to its frames, and these to the views and files
            raise

    def _open(self, given: Mapping[str, Any], columns: Mapping[str, str] | None, dedupe: str | None) -> None:
        """Check every table, and read once what all verbs ask for."""
        opened = contract.open_tables(self._space, given, columns, self._timezone, facts.measure)
        self._notes = [*contract.check_zones(opened, self._timezone), *self._space.files.remarks()]
        self._dropped: dict[str, int] = {}
        self._raw_orders = opened["orders"]
        self._repeated_lines: list[dict[str, Any]] = []
        order_lines.check_signs(opened["orders"], self._gmv)
        self._tables = {name: self._settle(name, table, dedupe) for name, table in opened.items()}
        self._facts = facts.read_facts(self._tables["orders"])
        self._lines = self._make_lines()
        # Without a product, an order id that is unique per row makes counting rows and counting orders the same.
        roles = self.orders.kinds
        self._row_is_order = "order" not in roles or ("product" not in roles and dedupe != "keep")
        self._checks = facts.checks(self._facts, self.orders.spacing.get("gmv", 0.0), self._timezone)
        self._checks += self._repeated_lines
        if self._refund_window is not None and self._facts.negative:
            self._checks += refunds.late_refunds(self.orders, self._refund_window)
        self._cache: dict[str, Any] = {}

    # --- what the rest of the room reads ----------------------------------------------------------------------------
    @property
    def orders(self) -> Relation:
        """The checked orders."""
        return self._tables["orders"]

    def table(self, name: str) -> Relation | None:
        """A checked table, or None where it was not given."""
        return self._tables.get(name)

    def need(self, name: str, why: str) -> Relation:
        """A checked table, or an error saying what it is needed for."""
        found = self._tables.get(name)
        if found is None:
            raise InputError(f"{why} needs {name}, which were not given", remedy=f"pass Logs({name}=...)")
        return found

    # --- tables -----------------------------------------------------------------------------------------------------
    def panel(
        self,
        unit: str = "user",
        freq: str = "D",
        *,
        origin: Any = None,
        outcome: str = "gmv",
        tactic: Any = None,
        keep: Sequence[str] = (),
        per: str | None = None,
    ) -> pd.DataFrame:
        """One row per unit and period, zero-filled inside each unit's life.

        Parameters
        ----------
        unit : {"user", "room", "product"}
            What a row is about: any id role of the orders.
        freq : str
            Length of a period: a number of days, weeks or calendar months, for example "D", "W", "4W", "M".
        origin : date, optional
            Where periods are counted from; midnight of the first local day by default. Orders before it are dropped
            and counted. Before the log it only says where periods begin: the panel starts with the first period that
            begins inside the log.
        outcome : {"gmv", "orders", "buyers"}
            Which column later verbs take as their outcome.
        tactic : label or list of labels, optional
            The tactics that count as treatment; all by default.
        keep : sequence of str
            Attributes to carry along, from users (rooms) or, where constant within the unit, from orders.
            ``"discount"`` (a role of orders) is summed per period like GMV, for use as a cost.
        per : str, optional
            Divide sums by the number of these shorter periods: ``freq="4W", per="W"`` gives weekly means, and the
            number (4) stands in the column ``parts``.

        Returns
        -------
        pandas.DataFrame
            unit, period (its start), gmv, orders, buyers, first_treated (start of the period of the first exposure,
            NaT never), treated (1 from the period of an exposure's start to that of its end), with `per` the column
            parts, and `keep`.
            ``frame.attrs["gmvcausal"]`` says what the numbers mean and what was dropped.

        Raises
        ------
        InputError
            An option that has no meaning for these logs, no whole period, ids missing in a table, or a table too large
            for this machine.

        Examples
        --------
        >>> import pandas as pd
        >>> orders = pd.DataFrame({"user": [1, 1, 2], "time": ["2025-03-03", "2025-03-11", "2025-03-16"],
        ...                        "gmv": [10.0, 20.0, 5.0]})
        >>> sent = pd.DataFrame({"user": [1], "tactic": ["coupon"], "start": ["2025-03-10"]})
        >>> panel = Logs(orders=orders, exposures=sent).panel(freq="W")
        >>> panel[["unit", "gmv", "treated"]].values.tolist()
        [[1.0, 10.0, 0.0], [1.0, 20.0, 1.0], [2.0, 0.0, 0.0], [2.0, 5.0, 0.0]]
        """
        from gmvcausal.logs.panel import make_panel

        with reading(self._space):
            return make_panel(self, unit, freq, origin, outcome, tactic, keep, per)

    def write_panel(
        self,
        path: Any,
        unit: str = "user",
        freq: str = "D",
        *,
        origin: Any = None,
        outcome: str = "gmv",
        tactic: Any = None,
        keep: Sequence[str] = (),
        per: str | None = None,
    ) -> str:
        """`panel` made and written by the engine, for panels larger than memory.

        Parameters
        ----------
        path : path
            The parquet file to make; on Spark, a folder that every worker can reach. It must end in ``.parquet`` and
            not exist.
        unit, freq, origin, outcome, tactic, keep, per
            As in `panel`.

        Returns
        -------
        str
            `path`, for ``gc.did(path)``. The rows are those of `panel` in any order, and what is known of them stands
            in the file. Only a few numbers for each unit are held in memory.

        Raises
        ------
        InputError
            As `panel`; and where `path` exists or cannot be written.

        Examples
        --------
        >>> import pandas as pd
        >>> orders = pd.DataFrame({"user": [1, 1, 2], "time": ["2025-03-03", "2025-03-11", "2025-03-16"],
        ...                        "gmv": [10.0, 20.0, 5.0]})
        >>> path = Logs(orders=orders).write_panel("panel.parquet", freq="W")
        >>> pd.read_parquet(path).sort_values(["unit", "period"])["gmv"].tolist()
        [10.0, 20.0, 0.0, 5.0]
        """
        from gmvcausal.logs.panel_file import write_panel

        return write_panel(self, path, unit, freq, origin, outcome, tactic, keep, per)

    def stack(
        self,
        tactic: Any = None,
        *,
        window: tuple[int, int] = (-6, 5),
        freq: str = "W",
        outcome: str | None = None,
        origin: Any = None,
    ) -> pd.DataFrame:
        """One row per campaign, user and period around the campaign's start, for several campaigns.

        Parameters
        ----------
        tactic : label or list of labels, optional
            The campaigns; all by default. Those that do not fit into the log are left out, named and counted.
        window : tuple of int
            First and last period relative to the period of the start, counted in periods of `freq`: with weeks
            ``(-6, 5)`` is six weeks before it, the week of the start and five after. A campaign's own end cuts it
            shorter.
        freq : str
            Length of a period, as in `panel`.
        outcome : {"gmv", "gmv_covered", "gmv_other", "orders"}, optional
            Which column later verbs take; gmv_covered where `coverage` was given, else gmv.
        origin : date, optional
            As in `panel`.

        Returns
        -------
        pandas.DataFrame
            stack (the campaign), unit, period, event_time, gmv, with coverage gmv_covered and gmv_other, orders,
            sent, treated (sent and at or after the start), other_tactic (another campaign was active for the unit).

        Raises
        ------
        InputError
            No exposures, no campaign that fits, a campaign that starts at several times, or a table too large for this
            machine.

        Examples
        --------
        >>> import pandas as pd
        >>> orders = pd.DataFrame({"user": [1, 1, 2], "time": ["2025-03-03", "2025-03-11", "2025-03-16"],
        ...                        "gmv": [10.0, 20.0, 5.0]})
        >>> sent = pd.DataFrame({"user": [1], "tactic": ["coupon"], "start": ["2025-03-10"]})
        >>> stack = Logs(orders=orders, exposures=sent).stack(window=(-1, 0))
        >>> stack[["unit", "event_time", "gmv", "treated"]].values.tolist()
        [[1.0, -1.0, 10.0, 0.0], [1.0, 0.0, 20.0, 1.0], [2.0, -1.0, 0.0, 0.0], [2.0, 0.0, 5.0, 0.0]]
        """
        from gmvcausal.logs.stack import make_stack

        with reading(self._space):
            return make_stack(self, tactic, window, freq, outcome, origin)

    def users(
        self,
        tactic: Any = None,
        *,
        pre: str = "28D",
        post: str = "7D",
        anchor: Any = None,
        features: Any = None,
        complete_only: bool = False,
    ) -> pd.DataFrame:
        """One row per user, with windows that start at assignment in every arm.

        Parameters
        ----------
        tactic : label or list of labels, optional
            The arms; all tactics by default.
        pre, post : str
            Lengths of the windows before and from assignment: a number of days or weeks, for example "28D", "4W".
        anchor : date, optional
            The moment that stands in for assignment of users never exposed; without it only exposed users can be asked
            for, and never-exposed users are refused. Logs without exposures make a history: all users count from it,
            in the arm "none".
        features : {None, "rfm"} or list
            "rfm" adds recency, frequency, monetary, their quintile scores (r, f, m) and the class (segment) that these
            make, all from orders before assignment; names add attributes from users.
        complete_only : bool
            Leave out and count users whose windows run past an end of the log or of their own life (entry to exit),
            instead of refusing.

        Returns
        -------
        pandas.DataFrame
            user, arm, assigned, gmv, orders, gmv_pre, orders_pre, and the features.

        Raises
        ------
        InputError
            Neither exposures nor `anchor`, a user in two arms, users never exposed without `anchor`, windows outside
            what is known.

        Examples
        --------
        >>> import pandas as pd
        >>> orders = pd.DataFrame({"user": [1, 1, 2], "time": ["2025-03-03", "2025-03-11", "2025-03-16"],
        ...                        "gmv": [10.0, 20.0, 5.0]})
        >>> sent = pd.DataFrame({"user": [1], "tactic": ["coupon"], "start": ["2025-03-10"]})
        >>> users = Logs(orders=orders, exposures=sent).users(pre="7D", post="7D", anchor="2025-03-10")
        >>> users[["user", "arm", "gmv_pre", "gmv"]].values.tolist()
        [[1, 'coupon', 10.0, 20.0], [2, 'none', 0.0, 5.0]]
        """
        from gmvcausal.logs.users import make_users

        with reading(self._space):
            return make_users(self, tactic, pre, post, anchor, features, complete_only)

    def retention(
        self,
        tactic: Any = None,
        *,
        freq: str = "W",
        horizon: int = 12,
        anchor: Any = None,
        cohorts: str | None = None,
        control: Any = None,
        assignment: str | None = None,
        expected_ratio: Mapping[Any, float] | None = None,
        alpha: float = 0.05,
        seed: int = 0,
    ) -> RetentionResult:
        """Who orders again, and by when; users of whom the log ends before an order are not taken for lost.

        Parameters
        ----------
        tactic : label or list of labels, optional
            The arms: users are watched from their first exposure on (never exposed ones from `anchor`) to their first
            order. Without it users are watched from their first order to the next.
        freq : str
            Length of a period: a number of days or weeks, for example "W", "28D".
        horizon : int
            Periods after the start up to which curves go; default 12.
        anchor : date, optional
            The start of users never exposed; needed where there are any.
        cohorts : str, optional
            Without `tactic`: users by the period of their first order, for example "M".
        control : label, optional
            The arm that the others are compared with; "none", the users never exposed, by default.
        assignment : {"random"}, optional
            Whether chance drew the arms. Only then is a difference an effect, and said to be one.
        expected_ratio : mapping, optional
            Planned shares of the arms; equal by default.
        alpha : float
            One minus the level of the intervals.
        seed : int
            Of the draws behind simultaneous bands.

        Returns
        -------
        RetentionResult
            `curve()` (share who have ordered by each period, share with an order in it, orders per user),
            `differences()` between arms with bands, `plot("ordered" | "active" | "orders" | "differences")`.

        Raises
        ------
        InputError
            An option that has no meaning here, users in two arms, users never exposed without `anchor`.
        DesignError
            Nobody is watched up to the horizon.

        Notes
        -----
        Watching ends with the log, or with the user's exit where users have one. Shares are Kaplan and Meier's (1958)
        with Greenwood's variance and log-log limits; the share with an order in a period, and orders per user, are of
        those watched throughout the period.

        Examples
        --------
        >>> import pandas as pd
        >>> days = pd.to_datetime(["2025-03-03", "2025-03-12", "2025-03-03", "2025-03-04", "2025-03-06"] * 10)
        >>> users = [user + 3 * k for k in range(10) for user in (1, 1, 2, 3, 3)]
        >>> orders = pd.DataFrame({"user": users, "gmv": 5.0, "time": days, "order": range(50)})
        >>> r = Logs(orders=orders).retention(freq="D", horizon=9)
        >>> r.curve()["ordered"].round(3).tolist()[:3], round(r.estimate, 3)
        ([0.0, 0.333, 0.333], 0.667)
        """
        from gmvcausal.logs.returns.make import make_retention

        with reading(self._space):
            return make_retention(
                self, tactic, freq, horizon, anchor, cohorts, control, assignment, expected_ratio, alpha, seed
            )

    def close(self) -> None:
        """Release the connection and temporary files (also done when the object goes away)."""
        self._space.close()

    def __repr__(self) -> str:
        users = self._cache.get("users")
        if users is None:
            users = int(self._space.row(f'SELECT count(DISTINCT "user") FROM {self.orders.sql}')[0])
            self._cache["users"] = users
        f = self._facts
        lacking = [n for n in ("exposures", "users", "rooms", "coverage") if n not in self._tables]
        more = "".join(f", {n} {r.n:,} rows" for n, r in self._tables.items() if n != "orders")
        without = f"; no {', '.join(lacking)}" if lacking else ""
        return (
            f"Logs(orders {f.lines:,} rows of {users:,} users from {text(f.first)} to {text(f.last)}{more}; "
            f"GMV {self._gmv}, {self._gmv_is}{without})"
        )

    # --- construction -----------------------------------------------------------------------------------------------
    def _settle(self, name: str, table: Relation, dedupe: str | None) -> Relation:
        """Apply the rule on repeated rows to one table and count what was dropped."""
        q = {role: f'"{role}"' for role in table.kinds}
        if name == "coverage":
            return table  # pairs are a set; the queries take them as one
        if name in ("users", "rooms"):
            role = name[:-1]
            hashes = duplicates.repeated_hashes(table, [q[role]])
            if hashes is not None:
                found = duplicates.find_repeats(table, hashes, [q[role]], [q[role]])
                if found.count:
                    raise InputError(
                        f"{found.count:,} rows of {name} repeat the id of an earlier row",
                        column=table.roles[role],
                        count=found.count,
                        rows=found.rows,
                        counted=True,
                        remedy=f"keep one row per {role}",
                    )
            return table
        if name == "exposures":
            key = [q[r] for r in ("user", "room", "tactic", "start") if r in q]
            settled, dropped = duplicates.settle(
                table, key, [q["end"]] if "end" in q else [], "id, tactic and start", dedupe
            )
        elif "order" in table.kinds:
            key = [q["order"]] + ([q["product"]] if "product" in q else [])
            rest = [quote(c) for c in table.select if quote(c) not in key]
            what = "order and product" if "product" in q else "order"
            if table.measured["negative"]:
                # Several refunds of one order are ordinary; only a refund that repeats in full is suspicious.
                key += ['"gmv" < 0', 'CASE WHEN "gmv" < 0 THEN hash("time", "gmv") END']
            settled, dropped = duplicates.settle(table, key, rest, what, dedupe, strict=[q["user"]])
        else:
            settled, dropped, self._repeated_lines = repeated_lines.settle(table, dedupe)
        if dropped:
            self._dropped[f"repeated rows of {name}"] = dropped
            self._notes.append(f"{dropped:,} rows of {name} that repeat an earlier row were dropped")
        return settled

    def _make_lines(self) -> order_lines.Lines:
        f = self._facts
        if self._gmv == "net" and f.negative:
            order_lines.check_refund_rows(self.orders)
        made = order_lines.make_lines(self.orders, self._gmv, self._refund_window, f.first, f.last, f.whole_days)
        if self._gmv == "net":
            if self._refund_window is not None and made.immature:
                self._dropped["orders younger than refund_window"] = made.immature
                self._notes.append(
                    f"{made.immature:,} order lines younger than refund_window={self._refund_window.text!r} were left "
                    f"out; counting ends at {text(made.last)}"
                )
            self._notes.append(f"refunds were taken off at their order's time: {made.refunded:.2%} of gross GMV")
        return made


def _zone(value: Any) -> str | None:
    if value is None:
        return None
    try:
        known = isinstance(value, str) and bool(zoneinfo.ZoneInfo(value).key)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = False
    if not known:
        raise InputError(
            f"timezone={params.said(value)} is no known time zone",
            remedy="use a name such as 'Asia/Shanghai', 'America/New_York' or 'UTC'",
        )
    return str(value)


def _window(gmv: str, value: Any) -> Freq | None:
    if gmv == "gross":
        if value is not None:
            raise InputError(
                "refund_window has a meaning only for gmv='net'", remedy="leave it out, or declare gmv='net'"
            )
        return None
    if value is None:
        raise InputError(
            "gmv='net' needs refund_window: younger orders may still be refunded, so they cannot be counted yet",
            remedy="pass the time within which refunds come, for example refund_window='14D'",
        )
    return parse_freq("refund_window", value, months=False)
