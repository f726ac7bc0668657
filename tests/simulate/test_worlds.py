"""Every world: logs that are read, tables of the right shape, a truth, and the same bytes wherever it is made."""

from __future__ import annotations

import hashlib
import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.simulate import WORLDS, Market, world

SMALL = dict.fromkeys(("D5", "D6", "D7", "D8", "D9"), 40) | {"D10": 300, "D15": 600, "D17": 84}
TARGETS = {
    "D1": "ate", "D2": "ate", "D3": "ratio", "D4": "ate", "D11": "ate", "D12": "ate:coupon_10", "D13": "overlap",
    "D14": "late", "D15": "at_threshold", "D16": "indirect:interacted", "D18": "total",
}  # fmt: skip
PANELS = ("D5", "D6", "D7", "D8", "D9", "D10", "D17")


def small(name: str, seed: int = 1) -> Market:
    return world(name, n=SMALL.get(name, 400), seed=seed)


def fingerprint(market: Market) -> str:
    """SHA-256 of all tables and of the truth."""
    digest = hashlib.sha256()
    for name, table in sorted({**market.logs.tables, "truth": market.truth.to_frame()}.items()):
        digest.update(name.encode())
        for column in table:
            values = table[column].to_numpy()
            text = values.dtype.kind not in "iufbM"
            digest.update("|".join(map(str, values)).encode() if text else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def fingerprints() -> dict[str, str]:
    return {name: fingerprint(small(name)) for name in WORLDS}


def test_there_are_eighteen() -> None:
    assert list(WORLDS) == [f"D{k}" for k in range(1, 19)]


@pytest.mark.parametrize("name", WORLDS)
def test_logs_are_read_and_the_table_has_the_shape_of_its_design(name: str) -> None:
    market = small(name)
    design, n = market.design, SMALL.get(name, 400)
    table = market.table()
    if design.table == "panel":
        units, first = (2, 84) if name == "D17" else (n, {"D5": 12, "D10": 16}.get(name, 20))
        rows = units * first
        assert table["unit"].nunique() == units
        assert table["period"].nunique() == first
        assert len(table) < rows if name == "D10" else len(table) == rows
        assert table["treated"].sum() > 0
    else:
        assert len(table) == n
        assert set(design.options.get("features", ())) <= set(table.columns)
        assert table["arm"].nunique() == (4 if name == "D12" else 2)
    # Whatever was sold is in the table: no order lies outside it.
    sold = market.logs.orders["gmv"].sum()
    assert table[[c for c in ("gmv", "gmv_pre") if c in table]].sum().sum() == pytest.approx(sold, abs=1e-6)
    assert (table["gmv"] >= 0).all()
    named = [
        v for k, v in design.call.items() if k in ("outcome", "treatment", "score", "instrument", "cluster", "arm")
    ]
    assert set(named) <= set(table.columns)


@pytest.mark.parametrize("name", WORLDS)
def test_truth_has_its_target_and_panels_an_event_study(name: str) -> None:
    truth = small(name).truth
    frame = truth.to_frame()
    assert truth.target == TARGETS.get(name, "att")
    assert frame["target"].sum() == 1 and frame["term"].is_unique
    assert np.isfinite(frame["value"]).all() and (frame["std_error"] == 0).all()
    assert (truth.event_study is not None) == (name in PANELS)
    if truth.event_study is not None:
        assert list(truth.event_study.columns) == ["event_time", "att", "n"]
    if name in ("D11", "D12", "D13"):
        assert {"user", "cate", "tier", "recency", "price"} <= set(truth.users.columns)


def test_same_seed_same_bytes_after_pickling_and_in_another_process() -> None:
    here = fingerprints()
    for name, found in here.items():
        again = pickle.loads(pickle.dumps(small(name)))
        assert fingerprint(again) == found, name
        assert fingerprint(small(name, seed=2)) != found, name
    code = "import json, test_worlds; print(json.dumps(test_worlds.fingerprints()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == here


@pytest.mark.parametrize("name", WORLDS)
def test_the_order_of_rows_says_nothing(name: str) -> None:
    market = small(name)
    mixed = {
        k: v.sample(frac=1, random_state=3).reset_index(drop=True) if isinstance(v, pd.DataFrame) else v
        for k, v in market.logs.items()
    }
    again = getattr(gc.Logs(**mixed), market.design.table)(**market.design.options)
    pd.testing.assert_frame_equal(again, market.table(), rtol=1e-12)


# --- bad input ------------------------------------------------------------------------------------------------------

BAD = [
    ("D77", {}, r"no world 'D77'\. The worlds are 'D1', .*, 'D18'"),
    ("D0", {}, r"no world 'D0'\. The worlds are 'D1'"),
    ("d7", {}, r"no world 'd7'\. Write 'D7'"),
    ("B5", {}, r"no world 'B5'"),
    (7, {}, r"no world 7\. The worlds are"),
    (None, {}, r"no world None"),
    ("D5", {"efect": 1.0}, r"world 'D5' has no dial 'efect'\. Did you mean 'effect'"),
    ("D8", {"buying": 0.1}, r"world 'D8' has no dial 'buying'\. The dials of D8 are 'treated'"),
    ("D5", {"n": 3}, r"n must be a whole number of at least 20, but is 3"),
    ("D5", {"n": 100, "unit": "user"}, r"n must be a whole number of at least 200, but is 100"),
    ("D5", {"n": 50.5}, r"n must be a whole number"),
    ("D5", {"unit": "shop"}, r"unit must be one of 'room', 'user'"),
    ("D5", {"rho": 1.0}, r"rho must be a number in \(-1, 1\), but is 1\.0"),
    ("D5", {"noise": -1.0}, r"noise must be a number in \[0, inf\), but is -1\.0"),
    ("D5", {"noise": float("nan")}, r"noise must be a number"),
    ("D5", {"level": None}, r"level must be a number"),
    ("D5", {"start": 12}, r"start holds week 12, but weeks=12 end with week 11"),
    ("D5", {"level": 500.0}, r"negative GMV in \d+ room-weeks\. Raise level="),
    ("D5", {"unit": "user", "effect": 100.0}, r"probabilities of buying from .* to 1\.\d+"),
    ("D5", {"seed": -1}, r"seed must be a whole number of at least 0"),
    ("D6", {"starts": (10, 6)}, r"starts must list weeks in ascending order"),
    ("D6", {"starts": (6, 20)}, r"starts holds week 20"),
    ("D6", {"never": 0.0}, r"never must be a number in \(0, 1\)"),
    ("D8", {"treated": 40}, r"treated=40 is more than half of the n=60 rooms\. Take at most 30"),
    ("D8", {"treated": 0}, r"treated must be a whole number of at least 1"),
    ("D8", {"visible": 1}, r"visible must be True or False"),
    ("D8", {"treat": "large"}, r"treat must be .*'largest'"),
    ("D8", {"size_sd": -0.1}, r"size_sd must be a number in \[0, 3\]"),
    ("D9", {"lead": 9}, r"start=10 leaves no lead to test before lead=9"),
    ("D9", {"duration": 10}, r"start \+ duration \+ payback is 24, but the log has weeks=20"),
    ("D10", {"strength": 1.5}, r"strength must be a number in \[0, 1\]"),
    ("D10", {"contrast": 1.0}, r"probabilities of buying from -0\.\d+"),
    ("D2", {"whales": 2.0}, r"whales must be a number in \[0, 1\]"),
    ("D4", {"icc": 0.5}, r"icc=0\.5 would give rooms a negative rate"),
    ("D4", {"rooms": 3000}, r"rooms=3000 is more than half of the n=5000 users"),
    ("D11", {"heterogeneity": 3.0, "effect": 60.0}, r"users a negative rate of ordering"),
    ("D15", {"n": 10}, r"n must be a whole number of at least 500"),
    ("D16", {"lift": 0.9}, r"probabilities of interacting outside 0 to 1"),
    ("D17", {"n": 30}, r"n must be a whole number of at least 80"),
    ("D18", {"degree": 60}, r"degree=60 does not fit into blocks of 50 users"),
    ("D18", {"block": 2000}, r"block=2000 leaves fewer than four blocks"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "call", "message"), BAD, ids=[f"{b[0]}-{next(iter(b[1]), '')}" for b in BAD])
def test_bad_calls_say_what_is_wrong(name: str, call: dict[str, object], message: str) -> None:
    with pytest.raises(gc.InputError, match=message):
        world(name, **call)


def test_the_page_lists_every_dial_with_its_default() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "worlds.md").read_text(encoding="utf-8")
    table = page.partition("## Dials and their defaults")[2]
    for name, constructor in WORLDS.items():
        row = next(line for line in table.splitlines() if line.startswith(f"| {name} |"))
        dials = [p for p in inspect.signature(constructor).parameters.values() if p.kind is p.KEYWORD_ONLY]
        assert row.split("|")[3].strip() == " ".join(f"`{p.name}={p.default!r}`" for p in dials)
        if constructor.__module__.endswith("rollout_worlds") and name != "D8":
            continue  # two defaults, by unit
        market = world(name)
        frame = market.logs.tables[{"D17": "orders", "D8": "rooms", "D9": "rooms"}.get(name, "users")]
        size = frame["time"].dt.date.nunique() if name == "D17" else len(frame)
        assert size == int(row.split("|")[2].replace(",", "")), name
