"""Lines that were delivered twice, where no order id tells them apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gmvcausal import InputError, Logs
from gmvcausal.frames.engines.duck import DuckEngine


def lines(n: int = 2000, day: str = "2025-11-01", unit: str = "s") -> pd.DataFrame:
    rng = np.random.default_rng(int(day[-2:]))
    step = {"s": 1, "h": 3600, "D": 86_400}[unit]
    times = pd.Timestamp(day) + pd.to_timedelta(rng.integers(0, 86_400 // step, n) * step, unit="s")
    return pd.DataFrame({"user": rng.integers(0, 500, n), "time": times, "gmv": rng.integers(1, 5000, n) / 100})


def check(logs: Logs) -> dict[str, Any]:
    found = [c for c in logs.panel(freq="D").attrs["gmvcausal"]["checks"] if c["name"] == "repeated_lines"]
    assert len(found) == 1
    return found[0]


def test_lines_delivered_again_into_the_next_folder_are_refused_or_dropped(tmp_path: Path) -> None:
    first, second = lines(), lines(day="2025-11-02")
    for day, part in (("2025-11-01", first), ("2025-11-02", pd.concat([second, first]))):
        (tmp_path / f"dt={day}").mkdir()
        part.to_parquet(tmp_path / f"dt={day}" / "part-0.parquet", index=False)
    with pytest.raises(InputError, match=r"2,000 rows of orders .*all columns but keys of folders equal") as caught:
        Logs(orders=tmp_path)
    assert caught.value.rows == tuple(range(4000, 4005))
    once = Logs(orders=tmp_path, dedupe="exact").panel(freq="D")
    assert once["gmv"].sum() == pytest.approx(first["gmv"].sum() + second["gmv"].sum(), abs=1e-9)
    assert once.attrs["gmvcausal"]["dropped"]["repeated rows of orders"] == 2000
    # A key that has a role counts: the same amount on two days is two lines.
    logs = Logs(orders=tmp_path, columns={"room": "dt"})
    assert logs.orders.n == 6000


@pytest.mark.parametrize(
    ("again", "status"), [(0, "passed"), (2, "passed"), (3, "warned"), (20, "warned"), (21, "failed"), (2000, "failed")]
)
def test_lines_that_differ_in_a_batch_alone_are_counted(again: int, status: str) -> None:
    first = lines(2000)
    orders = pd.concat([first.assign(batch_id=1), first.head(again).assign(batch_id=2)])
    found = check(Logs(orders=orders))
    assert (found["status"], found["value"]) == (status, pytest.approx(again / (2000 + again), rel=1e-3))
    assert ("columns={'order'" in found["remedy"]) == (status != "passed")
    assert check(Logs(orders=orders, dedupe="exact"))["value"] == found["value"]
    assert check(Logs(orders=orders, dedupe="keep"))["status"] == "not_run"
    whole = Logs(orders=orders.drop(columns="batch_id"), dedupe="exact")
    assert whole.orders.n == 2000 and not [c for c in whole._checks if c["name"] == "repeated_lines"]


@pytest.mark.parametrize("unit", ["h", "D"])
def test_dates_and_whole_hours_coincide_by_chance(unit: str) -> None:
    orders = lines(unit=unit).assign(user=1, gmv=1.0, batch_id=range(2000))
    found = check(Logs(orders=orders))
    assert found["status"] == "not_run" and "by chance" in found["message"]


def test_identical_rows_beside_such_as_differ_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[str] = []
    repeated = DuckEngine.repeated

    def watched(self: DuckEngine, source: str, expression: str, name: str = "the data") -> str | None:
        passes.append(expression)
        return repeated(self, source, expression, name)

    monkeypatch.setattr(DuckEngine, "repeated", watched)
    first = lines(1000).assign(note="a")
    orders = pd.concat([first, first.head(7), first.head(5).assign(note=None)])
    with pytest.raises(InputError, match=r"^7 rows of orders"):
        Logs(orders=orders)
    logs = Logs(orders=orders, dedupe="exact")
    assert logs.orders.n == 1005 and check(logs)["value"] == pytest.approx(5 / 1005)
    assert len(passes) == 2 and "note" not in passes[0]  # one for each `Logs`
