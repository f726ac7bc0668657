"""`Logs.stack` against windows laid out by hand."""

from __future__ import annotations

import pandas as pd
import pytest
from log_inputs import KINDS, as_kind, eight_orders

from gmvcausal.errors import InputError
from gmvcausal.logs import Logs


def campaigns() -> pd.DataFrame:
    """Campaign A from the second week for u1 and u2, B in the third for u2 and u3."""
    return pd.DataFrame(
        {
            "user": ["u1", "u2", "u2", "u3"],
            "tactic": ["A", "A", "B", "B"],
            "start": pd.to_datetime(["2025-03-11"] * 2 + ["2025-03-17"] * 2),
            "end": pd.to_datetime(["2025-03-13"] * 2 + ["2025-03-20"] * 2),
        }
    )


def coverage() -> pd.DataFrame:
    return pd.DataFrame({"tactic": ["A", "A", "A", "B"], "product": ["x", "x", "y", "z"]})


def make(kind="pandas", directory=None, **changes) -> Logs:
    orders = eight_orders().assign(product=list("xyxzyzzx"))
    tables = {"orders": orders, "exposures": campaigns(), "coverage": coverage()} | changes
    return Logs(**{name: as_kind(table, kind, directory, name) for name, table in tables.items()})


@pytest.mark.parametrize("kind", KINDS)
def test_by_hand(kind, tmp_path):
    stack = make(kind, tmp_path).stack(window=(-1, 1))
    assert list(stack.columns) == [
        "stack", "unit", "period", "event_time", "gmv", "gmv_covered", "gmv_other", "orders", "sent", "treated",
        "other_tactic",
    ]  # fmt: skip
    a, b = (stack[stack["stack"] == label].drop(columns="stack") for label in "AB")
    # A ends in its first week, so its stack holds one week before it and that week.
    assert a["event_time"].tolist() == [-1, 0] * 3
    assert a["period"].dt.day.tolist() == [3, 10] * 3
    assert a["gmv"].tolist() == [15.5, 1.25, 0, 20, 0, 0]
    assert a["gmv_covered"].tolist() == [15.5, 0, 0, 20, 0, 0]
    assert a["gmv_other"].tolist() == [0, 1.25, 0, 0, 0, 0]
    assert a["orders"].tolist() == [2, 1, 0, 1, 0, 0]
    assert a["sent"].tolist() == [1, 1, 1, 1, 0, 0]
    assert a["treated"].tolist() == [0, 1, 0, 1, 0, 0]
    assert a["other_tactic"].tolist() == [0] * 6
    assert b["gmv_covered"].tolist() == [1.25, 0, 0, 4, 0, 3]
    assert b["other_tactic"].tolist() == [1, 0, 1, 0, 0, 0]
    about = stack.attrs["gmvcausal"]
    assert about["outcome"] == "gmv_covered"
    assert about["outcome_unit"] == "gross paid GMV on covered products per user-week"


def test_campaigns_that_do_not_fit_are_named():
    stack = make().stack(window=(-2, 0))
    assert stack["stack"].unique().tolist() == ["B"]
    about = stack.attrs["gmvcausal"]
    assert about["dropped"]["campaigns: too early for a whole pre-window"] == 1
    assert any(note.endswith("pre-window): A") for note in about["notes"])
    late = campaigns().assign(start=pd.Timestamp("2025-03-18"), end=pd.NaT)
    with pytest.raises(InputError, match=r"no campaign fits.*too late for one whole period"):
        make(exposures=late).stack(window=(-1, 0))


def test_a_campaign_with_several_starts_is_no_stack():
    with pytest.raises(InputError, match="campaign 'A' starts at 2 different times"):
        make(
            exposures=campaigns().assign(start=pd.to_datetime(["2025-03-04", "2025-03-12"] + ["2025-03-17"] * 2))
        ).stack()


def test_without_coverage():
    stack = Logs(orders=eight_orders(), exposures=campaigns()).stack(tactic="B", window=(-1, 0))
    assert "gmv_covered" not in stack
    assert stack.attrs["gmvcausal"]["outcome"] == "gmv"
    with pytest.raises(InputError, match="outcome must be one of"):
        Logs(orders=eight_orders(), exposures=campaigns()).stack(window=(-1, 0), outcome="gmv_covered")


@pytest.mark.parametrize("window", [(1, 2), (-1, -1), 3, (-1,), ("a", "b"), None])
def test_windows_that_make_no_sense(window):
    with pytest.raises(InputError, match="window must be two whole numbers"):
        make().stack(window=window)


def test_coverage_needs_products():
    with pytest.raises(InputError, match="role 'product'"):
        make(orders=eight_orders()).stack(window=(-1, 0))


def test_a_campaign_that_covers_nothing_is_said():
    stack = make(coverage=coverage().query("tactic == 'A'")).stack(window=(-1, 0))
    assert stack.loc[stack["stack"] == "B", "gmv_covered"].eq(0).all()
    check = next(c for c in stack.attrs["gmvcausal"]["checks"] if c["name"] == "coverage_match")
    assert check["message"].endswith("absent from coverage: B")


def test_rows_outside_a_life_are_no_rows():
    users = pd.DataFrame(
        {
            "user": ["u1", "u2", "u3"],
            "entry": pd.to_datetime(["2025-01-01", "2025-03-12", None]),
            "exit": pd.to_datetime([None, None, "2025-03-16"]),
        }
    )
    stack = make(users=users).stack(window=(-1, 1))
    a, b = (stack[stack["stack"] == label] for label in "AB")
    assert a[["unit", "event_time"]].to_numpy().tolist() == [["u1", -1], ["u1", 0], ["u2", 0], ["u3", -1], ["u3", 0]]
    assert b[["unit", "event_time"]].to_numpy().tolist() == [["u1", -1], ["u1", 0], ["u2", -1], ["u2", 0], ["u3", -1]]
    assert a["gmv"].tolist() == [15.5, 1.25, 20, 0, 0]
    about = stack.attrs["gmvcausal"]
    assert about["life_known"] is True
    assert about["dropped"]["orders outside entry and exit"] == 2
    assert "rows outside a user's entry and exit were left out: 2 of the stack" in about["notes"]
    assert make().stack(window=(-1, 1)).attrs["gmvcausal"]["life_known"] is False


def test_a_stack_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("gmvcausal.logs.span.MOST_CELLS", 10)
    with pytest.raises(InputError, match=r"12 rows .3 users × 4 periods of 2 campaigns of freq='W'"):
        make().stack(window=(-1, 1))
