"""Studies whose answer is what a gain left: the net over a window, the platform's total."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.errors import InputError

BOTH = """
[data]
frame = "rooms.parquet"

[[answer]]
name = "net"
did = { estimator = "imputation" }
pull_forward = { window = 3 }
money = { cost = 5, cost_is = "other", gmv_is = "paid" }

[[answer]]
name = "platform"
did = { estimator = "imputation" }
cannibalisation = { other = "fashion" }

[[answer]]
name = "next door"
cannibalisation = { edges = "links.csv" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    unit, period = np.divmod(np.arange(60 * 8), 8)
    lift = np.select([period == 4, period == 5], [10.0, -6.0], 0.0) * (unit < 20)
    frame = pd.DataFrame(
        {
            "unit": unit,
            "period": period,
            "gmv": 50 + rng.normal(0, 2, len(unit)) + lift,
            "fashion": 30 + rng.normal(0, 2, len(unit)) - 0.3 * lift,
            "first_treated": np.where(unit < 20, 4.0, np.nan),
        }
    )
    frame.to_parquet(tmp_path / "rooms.parquet")
    pd.DataFrame({"unit": range(20, 40), "neighbour": range(20)}).to_csv(tmp_path / "links.csv", index=False)
    return tmp_path


def study(folder: Path, text: str) -> object:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return gc.run_study(folder / "study.toml", progress=False)


def test_a_study_says_what_python_says(folder: Path) -> None:
    (folder / "study.toml").write_text(BOTH, encoding="utf-8")
    found = gc.run_study(folder / "study.toml", progress=False)
    frame = pd.read_parquet(folder / "rooms.parquet")
    result = gc.did(frame, estimator="imputation")
    net = result.pull_forward(3)
    assert found.answers["net"].estimate == net.estimate and found.answers["net"].conf_int() == net.conf_int()
    assert found.answers["platform"].estimate == result.cannibalisation("fashion").estimate
    links = pd.read_csv(folder / "links.csv")
    assert found.answers["next door"].estimate == gc.did(frame).cannibalisation(edges=links).estimate
    assert found.money["net"].estimate == pytest.approx(20 * net.estimate, rel=1e-12)
    assert "over 3 periods" in found.summary()
    found.write(folder / "out")
    assert "borrowed_share" in (folder / "out" / "results.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("did = {}\npull_forward = { window = 3 }\ncannibalisation = { other = 'fashion' }", "two answers of it"),
        ("did = {}\npull_forward = { windows = 3 }", "pull_forward has no option 'windows'"),
        ("did = {}\npull_forward = { window = 3 }\nalso = ['fashion']", "an answer of each outcome"),
        ("ab_test = { control = 0 }\ncannibalisation = { other = 'fashion' }", "asked of roll-outs"),
        ("iv = { outcome = 'gmv' }\npull_forward = {}", "asked of roll-outs and of tests by day"),
        ("pull_forward = 3", "must be a table"),
    ],
)
def test_what_is_refused(folder: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        study(folder, f"[data]\nframe = 'rooms.parquet'\n[[answer]]\nname = 'a'\n{text}\n")
