"""What is written in the columns of exposure and links: flags, words for never, names of columns, gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def _panel() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"unit": np.repeat(np.arange(120), 6), "period": np.tile(np.arange(1, 7), 120)})
    data["first_treated"] = np.where(data["unit"] < 40, 4.0, np.nan)
    data["exposed"] = np.where((data["unit"] >= 40) & (data["unit"] < 80), 4.0, np.nan)
    return data.assign(gmv=10 + rng.normal(0, 1, len(data)))


def test_flags_of_exposure_are_no_dates() -> None:
    data = _panel()
    flags = data["exposed"].notna().astype(int)
    with pytest.raises(gc.InputError, match="40 units would be read as exposed from period 1 on") as e:
        gc.did(data.assign(exposed=flags), exposed="exposed")
    assert e.value.column == "exposed" and e.value.count == 40
    with pytest.raises(gc.InputError, match="0 and 1 only"):
        gc.did(
            data.assign(period=data["period"] - 1, first_treated=data["first_treated"] - 1, exposed=flags),
            exposed="exposed",
        )
    dates = data.assign(exposed=np.where(flags == 1, 4.0, np.nan))  # as the remedy says
    assert gc.did(dates, exposed="exposed").estimate == gc.did(data, exposed="exposed").estimate


def test_a_word_for_never_counts_in_both_columns() -> None:
    data = _panel()
    day = pd.Timestamp("2025-03-03")
    dated = {
        c: (day + pd.to_timedelta(data[c] * 7, unit="D")).dt.strftime("%Y-%m-%d")
        for c in ("period", "first_treated", "exposed")
    }
    words = data.assign(**dated)
    words[["first_treated", "exposed"]] = words[["first_treated", "exposed"]].astype(object).fillna("never")
    got = gc.did(words, exposed="exposed", never="never").to_frame()["estimate"]
    assert got.to_numpy() == pytest.approx(gc.did(data, exposed="exposed").to_frame()["estimate"].to_numpy(), rel=1e-12)


def test_links_say_their_columns_and_direction(tmp_path: object) -> None:
    data = _panel().drop(columns="exposed")
    links = pd.DataFrame({"unit": np.arange(40, 60), "neighbour": np.arange(20)})
    gaps = links.astype("Float64")
    gaps.loc[3, "neighbour"] = pd.NA
    with pytest.raises(gc.InputError, match=r"^neighbour of edges is missing"):
        gc.did(data, edges=gaps)
    named = links.set_axis(["to", "from"], axis=1)
    named.to_parquet(path := f"{tmp_path}/links.parquet")
    for edges in (named, path):
        with pytest.raises(gc.InputError, match=r"Rename the columns of edges= to unit .* and neighbour") as e:
            gc.did(data, edges=edges)
        assert "this verb" not in str(e.value)
    with pytest.raises(gc.DesignError, match="list mutual ones in both directions"):
        gc.did(data, edges=links.set_axis(["neighbour", "unit"], axis=1))
    one = pd.concat([links, pd.DataFrame({"unit": [900], "neighbour": [0]})])
    notes = " ".join(gc.did(data, edges=one).manifest.notes)
    assert "1 link of units that are not in the data was left out" in notes
    assert "neighbour -> unit" in notes and "both directions" in notes
