"""A result in a file: the same numbers come back, nothing is run, and what others wrote is refused."""

# ruff: noqa: E501  # the table of refusals: one case a line

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

RNG = np.random.default_rng(0)
N = 600
USERS = pd.DataFrame({
    "on": RNG.permutation(np.arange(N) % 3), "age": RNG.normal(size=N),
    "city": np.array(["上海", "b"])[RNG.integers(0, 2, N)],
})  # fmt: skip
USERS["gmv"] = np.where(RNG.random(N) < 0.3, RNG.gamma(2, 10, N) + USERS["on"], 0.0)
USERS.loc[3, "age"] = np.nan
CALL: dict[str, Any] = {
    "treatment": "on",
    "control": 0,
    "features": ["age", "city"],
    "cost": {1: 0.5, 2: 1.0},
    "folds": 2,
}


GIVEN = {0: 1 / 3, 1: 1 / 3, 2: 1 / 3}


@pytest.mark.parametrize(
    ("learner", "propensity"),
    # Estimated chances have a part in how these two are stored alone.
    [*((name, GIVEN) for name in ("s", "t", "x", "dr", "hurdle", "causal_forest")), ("dr", None), ("hurdle", None)],
)
def test_round_trip(tmp_path: Path, learner: str, propensity: Any) -> None:
    m = gc.uplift(USERS, **CALL, learner=learner, propensity=propensity)
    path = tmp_path / "优惠券.uplift"
    m.save(path)
    again = gc.load_uplift(path)
    np.testing.assert_array_equal(again.predict(USERS), m.predict(USERS))
    pd.testing.assert_frame_equal(again.to_frame(), m.to_frame())
    assert again.summary() == m.summary() and again.manifest.to_dict() == m.manifest.to_dict()
    assert again.conf_int(0.9) == m.conf_int(0.9) and again.arms == m.arms == (1, 2)
    new = USERS.assign(age=USERS["age"] + 0.1)
    one, two = m.held_out(new), again.held_out(new)
    np.testing.assert_array_equal(one.e, two.e)
    np.testing.assert_array_equal(one.mu, two.mu)
    assert again.policy(new, budget=50).cost == m.policy(new, budget=50).cost
    with pytest.raises(gc.DesignError, match="trained the model"):
        again.evaluate(USERS)
    with pytest.raises(gc.InputError, match="not in the file"):
        _ = again.effects
    second = tmp_path / "again"
    again.save(second)
    np.testing.assert_array_equal(gc.load_uplift(second).predict(USERS), m.predict(USERS))


def test_without_features(tmp_path: Path) -> None:
    m = gc.uplift(USERS, **{**CALL, "features": []})
    m.save(tmp_path / "m")
    again = gc.load_uplift(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(USERS), m.predict(USERS))
    assert again.predict(USERS).shape == (N, 2)


def forged(path: Path, text: bytes, digest: bytes | None = None, more: dict[str, bytes] | None = None) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("uplift.json", text)
        file.writestr("sha256", digest or hashlib.sha256(text).hexdigest().encode())
        for name, content in (more or {}).items():
            file.writestr(name, content)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("/nowhere/at/all").write_text, ("run",))


REFUSED: dict[str, tuple[Callable[[Path, bytes], Any], str]] = {
    "a pickle": (lambda p, _: p.write_bytes(pickle.dumps(Bomb())), "no zip file"),
    "a csv": (lambda p, _: p.write_text("a,b\n1,2\n"), "no zip file"),
    "an empty file": (lambda p, _: p.write_bytes(b""), "no zip file"),
    "a zip of other things": (lambda p, t: forged(p, t, more={"../../evil.py": b"x"}), "it holds other things"),
    "changed": (lambda p, t: forged(p, t.replace(b"AIPW", b"APIW"), hashlib.sha256(t).hexdigest().encode()), "changed since"),
    "no json": (lambda p, t: forged(p, b"\x80\x04."), "do not fit"),
    "another format": (lambda p, t: forged(p, json.dumps({"format": "gmvcausal uplift 9"}).encode()), "its format is"),
    "parts missing": (lambda p, t: forged(p, json.dumps({"format": "gmvcausal uplift 1"}).encode()), "do not fit"),
    "a learner that is none": (lambda p, t: forged(p, t.replace(b'"kind": "OneStage"', b'"kind": "os.system"')), "do not fit"),
    "trees that are none": (lambda p, t: forged(p, t.replace(b"num_class=1", b"num_klass=1")), "do not fit"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_others_wrote_is_refused(tmp_path: Path, case: str) -> None:
    m = gc.uplift(USERS, **CALL, learner="dr")
    m.save(tmp_path / "good")
    with zipfile.ZipFile(tmp_path / "good") as file:
        text = file.read("uplift.json")
    path = tmp_path / "bad"
    make, words = REFUSED[case]
    make(path, text)
    with pytest.raises(gc.InputError, match=words):
        gc.load_uplift(path)


def test_no_file_and_no_path(tmp_path: Path) -> None:
    with pytest.raises(gc.InputError, match="there is no file"):
        gc.load_uplift(tmp_path / "none")
    with pytest.raises(gc.InputError, match="path must name a file"):
        gc.load_uplift(5)  # type: ignore[arg-type]
