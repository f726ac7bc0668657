"""The catalogue of bad inputs, row by row, for `gc.spillover`."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

_RNG = np.random.default_rng(0)
N = 300
BASE = pd.DataFrame({
    "user": np.arange(N), "t": (np.arange(N) * 7) % 2, "gmv": 20 + _RNG.gamma(2, 10, N), "age": _RNG.normal(35, 9, N),
    "team": np.arange(N) // 3, "p": 0.5,
})  # fmt: skip
LINKS = pd.DataFrame({"user": np.arange(N), "friend": (np.arange(N) + 1) % N})
SWAP = BASE.assign(t=(_RNG.random(N) < 0.5).astype(int))


def of(**columns: Any) -> pd.DataFrame:
    return SWAP.assign(**columns)


def put(column: str, rows: list[int], value: Any, frame: pd.DataFrame = SWAP) -> pd.DataFrame:
    frame = frame.copy()
    frame[column] = frame[column].astype(float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


def run(frame: Any = SWAP, edges: Any = LINKS, **options: Any) -> Any:
    return gc.spillover(frame, edges=edges, **({"treatment": "t", "probability": 0.5, "reps": 0} | options))


def links(*more: tuple[Any, Any]) -> pd.DataFrame:
    return pd.concat([LINKS, pd.DataFrame(more, columns=["user", "friend"])], ignore_index=True)


STAGES = SWAP.assign(room=np.arange(N) // 10, share=np.where(np.arange(N) // 10 % 2, 0.5, 0.0))
STAGES["t"] = np.where(STAGES["share"] > 0, np.arange(N) % 2, 0)
ROOMS: dict[str, Any] = {"group": "room", "saturation": "share", "probability": None, "edges": None}
# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "28 string arms": (lambda: of(t=np.where(SWAP["t"], "b", "a")), {}, gc.InputError, "control arm is not named.*control=", "t", None, ()),
    "30 coded 1 and 2": (lambda: of(t=SWAP["t"] + 1), {}, gc.InputError, "control arm is not named", "t", None, ()),
    "33 missing arm": (lambda: put("t", [4], np.nan), {}, gc.InputError, "arm is missing", "t", 1, (4,)),
    "34 three arms": (lambda: of(t=np.arange(N) % 3), {"control": 0}, gc.InputError, "3 labels.*compares two", "t", None, ()),
    "26 everybody treated": (lambda: of(t=1), {}, gc.InputError, "only one label", "t", None, ()),
    "23 missing id": (lambda: put("user", [2], np.nan), {}, gc.InputError, "unit is missing", "user", 1, (2,)),
    "1 a user twice": (lambda: pd.concat([SWAP, SWAP.head(2)]), {}, gc.InputError, "2 units occur more than once.*links join users", "user", 2, (300, 301)),
    "45 missing GMV": (lambda: put("gmv", [5, 9], np.nan), {}, gc.InputError, "missing.*missing='zero'", "gmv", 2, (5, 9)),
    "47 infinite GMV": (lambda: put("gmv", [7], np.inf), {}, gc.InputError, "infinite", "gmv", 1, (7,)),
    "53 text": (lambda: of(gmv=[f"¥{v:,.2f}" for v in SWAP["gmv"]]), {}, gc.InputError, "text", "gmv", N, (0, 1, 2, 3, 4)),
    "62 missing covariate": (lambda: put("age", [3], np.nan), {"covariates": ["age"]}, gc.InputError, "never guessed", "age", 1, (3,)),
    "65 the outcome as covariate": (lambda: SWAP, {"covariates": ["gmv"]}, gc.InputError, "which is the outcome", "gmv", None, ()),
    "69 no rows": (lambda: SWAP.head(0), {}, gc.InputError, "no rows", None, None, ()),
    "no such column": (lambda: SWAP, {"outcome": "GMV"}, gc.InputError, "Did you mean 'gmv'", None, None, ()),
    "one column twice": (lambda: SWAP, {"outcome": "t"}, gc.InputError, "which is the outcome", "t", None, ()),
    "no design": (lambda: SWAP, {"edges": None}, gc.InputError, "none is given", None, None, ()),
    "two designs": (lambda: STAGES, ROOMS | {"edges": LINKS}, gc.InputError, "both are given", None, None, ()),
    "link to oneself": (lambda: SWAP, {"edges": links((5, 5))}, gc.InputError, "linked to itself", "friend", 1, (300,)),
    "link twice": (lambda: SWAP, {"edges": links((0, 1), (1, 2))}, gc.InputError, "listed more than once.*drop_duplicates", "friend", 2, (300, 301)),
    "link to nobody": (lambda: SWAP, {"edges": links((3, 999))}, gc.InputError, "not in the data.*outside='drop'", "friend", 1, (300,)),
    "missing end": (lambda: SWAP, {"edges": links((3, None))}, gc.InputError, "end of a link is missing", "friend", 1, (300,)),
    "other writing of ids": (lambda: SWAP, {"edges": LINKS.astype(str)}, gc.InputError, "text where the unit column.*whole numbers", "user", None, ()),
    "other ids": (lambda: SWAP, {"edges": LINKS + 1000}, gc.InputError, "no link.*joins two users", "user", None, ()),
    "three columns": (lambda: SWAP, {"edges": LINKS.assign(x=1)}, gc.InputError, "which two are the ends.*ends=", None, None, ()),
    "one column of links": (lambda: SWAP, {"edges": LINKS[["user"]]}, gc.InputError, "which two", None, None, ()),
    "ends that are one": (lambda: SWAP, {"ends": ("user", "user")}, gc.InputError, "ends must name two", None, None, ()),
    "no links": (lambda: SWAP, {"edges": LINKS.head(0)}, gc.InputError, "edges has no rows", None, None, ()),
    "weight of zero": (lambda: SWAP, {"edges": LINKS.assign(w=[0.0] + [1.0] * (N - 1)), "weight": "w"}, gc.InputError, "must be positive", "w", 1, (0,)),
    "weights that differ by direction": (lambda: SWAP, {"edges": links((1, 0)).assign(w=np.arange(1, N + 2)), "weight": "w"}, gc.InputError, "two directions.*differ", "w", 2, (0, 300)),
    "time of links without start": (lambda: SWAP, {"edges": LINKS.assign(at=1), "edge_time": "at"}, gc.InputError, "start= does not say", None, None, ()),
    "start in another kind": (lambda: SWAP, {"edges": LINKS.assign(at=1), "edge_time": "at", "start": "2026-11-01"}, gc.InputError, "dates and start= does not", "at", None, ()),
    "probability of 1": (lambda: SWAP, {"probability": 1}, gc.InputError, "between 0 and 1", None, None, ()),
    "probability column of 0": (lambda: put("p", [6], 0.0), {"probability": "p"}, gc.InputError, "between 0 and 1.*no lottery", "p", 1, (6,)),
    "probability of an arm that is not": (lambda: SWAP, {"probability": {"x": 1, 0: 1}}, gc.InputError, "no arm of the data", None, None, ()),
    "exposure unknown": (lambda: SWAP, {"exposure": "some"}, gc.InputError, "exposure must be 'line', 'any'", None, None, ()),
    "exposure of 0": (lambda: SWAP, {"exposure": 0}, gc.InputError, "exposure must be", None, None, ()),
    "exposure of 1.5": (lambda: SWAP, {"exposure": 1.5}, gc.InputError, "exposure must be", None, None, ()),
    "clusters of both arms": (lambda: SWAP, {"cluster": "team"}, gc.InputError, "treatment varies within team", "t", None, ()),
    "all links inside clusters": (lambda: of(t=np.arange(N) // 3 % 2), {"cluster": "team", "edges": LINKS[LINKS["user"] % 3 < 2]}, gc.DesignError, "drawn together.*gc.ab_test", None, None, ()),
    "strata of one arm": (lambda: of(h=np.arange(N) < 2, t=np.where(np.arange(N) < 2, 1, SWAP["t"])), {"strata": "h", "probability": None}, gc.DesignError, "one arm only", "h", None, ()),
    "few assignments": (lambda: SWAP, {"assignments": np.ones((N, 5)), "probability": None}, gc.InputError, "at least 99 columns", None, None, ()),
    "assignments of other rows": (lambda: SWAP, {"assignments": np.ones((N - 1, 200)), "probability": None}, gc.InputError, "a row for each of the 300", None, None, ()),
    "assignments and probability": (lambda: SWAP, {"assignments": np.ones((N, 200))}, gc.InputError, "describe it once more", None, None, ()),
    "an empty condition": (lambda: of(t=(np.arange(N) < 2) * 1), {"probability": 0.01, "exposure": 2}, gc.DesignError, "no user is in the condition", None, None, ()),
    "alpha in percent": (lambda: SWAP, {"alpha": 5}, gc.InputError, "alpha must be", None, None, ()),
    "few draws": (lambda: SWAP, {"reps": 10}, gc.InputError, "reps must be", None, None, ()),
    "outside unknown": (lambda: SWAP, {"outside": "keep"}, gc.InputError, "outside must be one of", None, None, ()),
    "saturation without group": (lambda: STAGES, {"saturation": "share"}, gc.InputError, "group= is not named", None, None, ()),
    "group without saturation": (lambda: STAGES, ROOMS | {"saturation": None}, gc.InputError, "never guessed", None, None, ()),
    "saturation in percent": (lambda: STAGES.assign(share=STAGES["share"] * 100), ROOMS, gc.InputError, "a share from 0 to 1", "share", 150, (10, 11, 12, 13, 14)),
    "saturation that varies": (lambda: put("share", [15], 0.4, STAGES), ROOMS, gc.InputError, "saturation varies within room", "share", None, ()),
    "treated at 0": (lambda: put("t", [0], 1, STAGES), ROOMS, gc.InputError, "treated in groups at 0", "share", 1, (0,)),
    "one saturation": (lambda: STAGES[STAGES["share"] > 0], ROOMS, gc.DesignError, "all groups are at", "share", None, ()),
    "probability with groups": (lambda: STAGES, ROOMS | {"probability": 0.5}, gc.InputError, "belongs to edges=", None, None, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=list(ERRORS))
def test_each_is_refused_with_its_rows(case: str) -> None:
    make, options, kind, words, column, count, rows = ERRORS[case]
    with pytest.raises(kind, match=f"(?s){words}") as caught:
        run(make(), **options)
    error = caught.value
    assert column is None or error.column == column
    assert count is None or error.count == count
    assert not rows or error.rows == rows
    assert error.remedy or case == "few draws"


# id: (frame, options): the answer is that of the clean frame.
REPAIRED: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "13 unsorted": (lambda: SWAP.sample(frac=1, random_state=0), {}),
    "29 booleans": (lambda: of(t=SWAP["t"].astype(bool)), {}),
    "30 named control": (lambda: of(t=SWAP["t"] + 1), {"control": 1}),
    "52 small integers": (lambda: of(t=SWAP["t"].astype("int8")), {}),
    "54 decimals": (lambda: of(gmv=[Decimal(repr(v)) for v in SWAP["gmv"]]), {}),
    "55 nullable": (lambda: of(gmv=SWAP["gmv"].astype("Float64"), t=SWAP["t"].astype("Int64")), {}),
    "67 index of its own": (lambda: SWAP.set_index(np.zeros(N, dtype=int)), {}),
    "68 strange names": (lambda: SWAP.rename(columns={"gmv": "成交 `额`\"; drop", "user": "__import__('os')"}), {"outcome": "成交 `额`\"; drop", "unit": "__import__('os')"}),
    "links of floats": (lambda: SWAP, {"edges": LINKS.astype(float)}),
    "text ids": (lambda: of(user="u" + SWAP["user"].astype(str)), {"edges": "u" + LINKS.astype(str)}),
    "links outside dropped": (lambda: SWAP, {"edges": links((3, 999)), "outside": "drop"}),
}  # fmt: skip


@pytest.mark.parametrize("case", REPAIRED, ids=list(REPAIRED))
def test_each_is_repaired(case: str) -> None:
    make, options = REPAIRED[case]
    columns = ["estimate", "std_error", "conf_low"]
    found = run(make(), **options)
    np.testing.assert_allclose(
        found.to_frame()[columns].to_numpy(float), run().to_frame()[columns].to_numpy(float), rtol=1e-9
    )
    if case == "links outside dropped":
        assert found.manifest.dropped == {"links to users who are not in the data": 1}


def test_warned_and_said() -> None:
    assert run(of(gmv=0.0)).audit["all_zero"].status == "warned"  # 48
    whale = run(put("gmv", [3], 1e9))  # 49
    assert "leverage" in {c.name for c in whale.audit.warned}
    cents = run(of(gmv=np.where(np.arange(N) % 10, SWAP["gmv"], SWAP["gmv"] * 100)))  # 50
    assert cents.audit["scale_mix"].status == "warned"
    dropped = run(of(one=1.0, twin=SWAP["age"] * 2), covariates=["age", "one", "twin"])  # 60, 61
    assert sum("dropped" in note for note in dropped.manifest.notes) == 2
    zeros = run(put("gmv", [5, 9], np.nan), missing="zero")
    assert any("counts as 0" in note for note in zeros.manifest.notes)
    with pytest.warns(gc.GmvCausalWarning, match="'room'"):
        found = run(of(room=SWAP["team"], t=np.random.default_rng(1).integers(0, 2, 100).repeat(3)))
    assert found.audit["cluster_level"].status == "warned"
