"""What an appendix cannot show is refused with what it can show instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc


def test_an_answer_by_levels_is_told_to_come_as_its_table(tmp_path: Path) -> None:
    users = pd.DataFrame({"arm": [0, 1] * 60, "gmv": np.arange(120.0), "tier": ["new", "new", "old", "old"] * 30})
    result = gc.ab_test(users, metrics="gmv")
    by = result.by("tier")
    with pytest.raises(gc.InputError, match=r"extra cannot show .*to_frame\(\)"):
        gc.report(result, tmp_path / "a.html", extra=[("by tier", by)])
    gc.report(result, tmp_path / "a.html", extra=[("by tier", by.to_frame())])
    gc.report(result, tmp_path / "b.html", extra=[("by tier", by.summary())])
    with pytest.raises(gc.InputError, match="Pass sentences"):
        gc.report(result, tmp_path / "a.html", extra=[("x", 3)])
