"""What stands on one page agrees: whose comparison is told, on which side of zero a limit lies, what a file is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.present import digits, figures_cells, tables, words


@pytest.fixture(scope="module")
def lot() -> Any:
    rng = np.random.default_rng(5)
    users = pd.DataFrame({"user": np.arange(400), "arm": np.tile([0, 1], 200), "gmv": rng.normal(20, 3, 400)})
    return gc.ab_test(users, metrics="gmv", control=0)


def test_a_naive_comparison_is_named_where_the_answers_have_different_designs(
    results: dict[str, Any], lot: Any
) -> None:
    mixed = words.lead({"AB": lot, "DID": results["gain"]})
    assert mixed.selection.startswith("DID: The naive comparison of means says")
    one = words.lead({"A": results["gain"], "same": results["gain"]})
    assert one.selection.startswith("The naive comparison")


def test_rounding_hides_no_side_of_zero() -> None:
    assert tables._relative(0.30, -0.0027, 0.72) == "+30% [−0.3, +72]"
    assert tables._relative(0.30, 0.0, 0.72) == "+30% [0, +72]"
    assert tables._relative(0.05, 0.01, 0.09) == "+5.00% [+1.00, +9.00]"
    assert digits.sided(-0.00004, 0) == 5


def test_cells_of_a_heat_map_hold_no_powers_of_ten() -> None:
    assert [figures_cells._cell(v) for v in (1270.4, -12345.6, 123456.0, 0.0123)] == [
        "1,270",
        "−12,346",
        "123k",
        "0.0123",
    ]


def test_a_table_is_written_under_an_ending_that_says_what_it_is(results: dict[str, Any], tmp_path: Path) -> None:
    made = gc.table(results["gain"])
    for write, name in ((made.to_docx, "x.doc"), (made.to_latex, "x.docx"), (made.to_html, "x.pdf")):
        with pytest.raises(gc.InputError, match="is written"):
            write(tmp_path / name)
        assert not (tmp_path / name).exists()
    made.to_docx(tmp_path / "Table.DOCX")
    made.to_docx(tmp_path / "table 4.1")


def test_one_column_is_one_column() -> None:
    assert gc.describe(pd.DataFrame({"gmv": [1.0, 2.0]})).sentences()[0] == "2 rows, 1 column."


def test_frames_and_tables_among_the_results_become_sections_in_their_place(
    results: dict[str, Any], tmp_path: Path
) -> None:
    import docx

    listed = {
        "First": results["gain"],
        "Differences": pd.DataFrame({"level": ["a"], "difference": [0.25]}),
        "Models": gc.table(results["gain"], results["twfe"]),
        "Last": results["twfe"],
    }
    gc.report(listed, tmp_path / "c.docx")
    heads = [p.text for p in docx.Document(str(tmp_path / "c.docx")).paragraphs if p.style.name == "Heading 2"]
    places = [next(i for i, h in enumerate(heads) if h.endswith(name)) for name in listed]
    assert places == sorted(places)
    gc.report(listed, tmp_path / "c.html")
    assert ">0.2500<" in (tmp_path / "c.html").read_text("utf-8")
    with pytest.raises(gc.InputError, match="no answer"):
        gc.report({"only": listed["Differences"]}, tmp_path / "d.html")
