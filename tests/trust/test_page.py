"""The page is made from JSON alone; the plan, the page in the docs and the command line agree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gmvcausal import cli, trust
from gmvcausal.trust import (
    Cell,
    page,
    plans,
    plans_ab,
    plans_did,
    plans_pull,
)
from gmvcausal.trust.page import main, page_text, write_page
from gmvcausal.trust.report import CellResult, read_report

SAMPLE, MEAN = "trust_fakes:sample", "trust_fakes:mean"


def cells() -> list[Cell]:
    common: dict[str, Any] = {"world": SAMPLE, "verb": MEAN, "reps": 30}
    null = {"effect": 0.0}
    path = {"path": True}
    return [
        Cell("S/right", dials=path, **common),
        Cell("S/small-se", call={"shrink": 0.4}, explanation={"se": "made too small"}, **common),
        Cell("S/wrong", role="fails on purpose", call={"shift": 1.0}, **common),
        Cell("S/just", role="power", mde=1.0, **common),
        Cell(
            "S/drift",
            role="audit violation",
            dials=path,
            call={"refuse": 1.0},
            check="pre_trend",
            clean="S/right",
            **common,
        ),
        Cell(
            "D8/equal/01/mean", role="size", dials={**null, "treated": 1}, null=True, call={"withhold": 1.0}, **common
        ),
        Cell("D8/equal/30/mean", role="size", dials={**null, "treated": 30}, null=True, **common),
    ]


@pytest.fixture(scope="module")
def report() -> trust.Report:
    return trust.run(cells(), workers=0, progress=False)


def test_the_page_is_made_from_its_json(report: trust.Report, tmp_path: Path) -> None:
    page = report.write_page(tmp_path / "trust.md", assets=tmp_path / "assets", data=tmp_path / "data")
    text = page.read_text(encoding="utf-8")
    figures = {file.name: file.read_bytes() for file in (tmp_path / "assets").iterdir()}
    assert sorted(figures) == ["trust-audit.svg", "trust-coverage.svg", "trust-size.svg"]
    assert [r.cell for r in read_report(tmp_path / "data").results] == cells()
    again = write_page(tmp_path / "data", tmp_path / "again.md", tmp_path / "assets")
    assert again.read_text(encoding="utf-8") == text
    assert {file.name: file.read_bytes() for file in (tmp_path / "assets").iterdir()} == figures
    assert not any("replicates" in json.loads(file.read_text()) for file in (tmp_path / "data").glob("*.json"))
    for words in (
        "too few clusters",
        "made too small",
        "`pre_trend`",
        "![",
        "(assets/trust-size.svg)",
        "seed 20250618",
    ):
        assert words in text, words
    assert "nan" not in text.lower().replace("finance", "")


def test_the_page_says_where_it_comes_from_and_what_is_undecided(report: trust.Report) -> None:
    text = " ".join(page_text(report).split())
    first = text.partition("**")[0]
    assert "a part of a plan, or another one: 7 cells, 30 replicates each" in first
    assert f"{len(report.undecided)} more are met and yet undecided" in text and not re.search(r"All \d+ gates", text)
    assert "| `S/right` | coverage |" in text and "| undecided |" in text and "would have passed" in text
    assert "In D8 few of 60" in text, "its cells are there"
    for words in ("proportional", "Persistent", "as in D6"):
        assert words not in text, "only worlds that have cells are explained"


def scored(plan: tuple[Cell, ...]) -> trust.Report:
    """A report of a plan of which nothing is known but how often it was asked."""
    return trust.Report(tuple(CellResult(cell, {"reps": cell.reps}, 0.0, {}) for cell in plan), 1)


def test_the_plan_of_a_report_is_named() -> None:
    full, quick = trust.plan(), trust.plan(quick=True)
    least = min(cell.reps for cell in full)
    assert page._source(scored(full)) == f"the full plan: {len(full)} cells, {least} to 4,000 replicates each"
    assert page._source(scored(quick)) == f"the quick plan: {len(quick)} cells, 30 to 100 replicates each"
    assert page._source(scored(quick[1:])).startswith("a part of a plan")


def test_the_scores_of_the_page_are_those_of_the_run(report: trust.Report, tmp_path: Path) -> None:
    report.write_page(tmp_path / "trust.md", assets=tmp_path, data=tmp_path / "data")
    kept = read_report(tmp_path / "data")
    for a, b in zip(report.results, kept.results, strict=True):
        assert b.scores["bias"] == pytest.approx(a.scores["bias"], rel=1e-6)
        assert [(g.name, g.passed) for g in a.gates] == [(g.name, g.passed) for g in b.gates]


def test_every_kind_of_figure(report: trust.Report) -> None:
    for kind in ("coverage", "size", "audit"):
        assert report.plot(kind).axes


def test_the_plan() -> None:
    every, quick = trust.plan(), trust.plan(quick=True)
    names = [cell.id for cell in every]
    assert len(set(names)) == len(names)
    assert {cell.id for cell in quick} < set(names)
    further = {cell.id for cell in (*plans_did.cells(), *plans_pull.cells())}
    full = [cell for cell in every if cell.verb == "did" and cell.id not in further]
    assert {cell.world for cell in full} == {"D5", "D6", "D7", "D8", "D9", "D10"}
    assert {cell.call.get("estimator") for cell in full} == {"two_by_two", "twfe", "callaway_santanna", "stacked"}
    assert {cell.dials["treated"] for cell in full if cell.world == "D8"} == {1, 2, 3, 5, 9, 10, 12, 30}
    assert all(cell.clean in names for cell in full if cell.clean)
    assert all(cell.mde == cell.dials["effect"] for cell in full if cell.role == "power")
    lasting = [cell for cell in full if "rho_treated" in cell.dials]
    assert [cell.role for cell in lasting] == ["fails on purpose"]
    assert all(cell.null == (cell.role == "size" or cell in lasting) for cell in full)
    smallest = [cell for cell in full if cell.dials.get("treat") == "smallest"]
    assert {(cell.dials["treated"], cell.call["estimator"]) for cell in smallest} == {
        (treated, estimator) for treated in (2, 5, 9) for estimator in ("callaway_santanna", "two_by_two")
    }
    assert len([cell for cell in quick if cell in [replace(c, reps=100) for c in smallest]]) == 1
    markets: dict[str, int] = {}
    for cell in full:
        markets[cell.market] = max(markets.get(cell.market, 0), cell.reps)
    assert sum(markets.values()) <= 35_000
    assert [cell.id for cell in full if cell.role == "fails on purpose" and cell.world == "D7"]


def test_the_plan_of_randomised_tests() -> None:
    full, quick = trust.plan(), trust.plan(quick=True)
    further = {cell.id for cell in (*plans_did.cells(), *plans_pull.cells())}
    further |= {cell.id for design in plans._DESIGNS if design is not plans_ab for cell in design.cells()}
    tests = [cell for cell in full if cell.verb != "did" and cell.id not in further]
    assert {"D1", "D2", "D3", "D4"} < {cell.world for cell in tests}
    heavy = [cell for cell in tests if cell.world.endswith(":two_part")]
    grid = {(c.n, c.dials["sigma"], c.dials["split"], c.dials["lift"]) for c in heavy}
    wanted = {
        (n, sigma, split, lift)
        for n in (2_000, 20_000, 200_000)
        for sigma in (1.5, 2.0, 2.5)
        for split in ("50/50", "10/90")
        for lift in (0.0, 0.05)
    }
    assert grid == wanted
    for row, gates in (("capped", {"misses", "tails"}), ("plain", {"flag"})):
        judged = [c for c in heavy if c.id.endswith(f"/{row}") and gates <= set(c.applying)]
        assert len(judged) == (24 if row == "capped" else 36) and all(c.relative and c.reps >= 2000 for c in judged)
    assert all(c.null == (c.dials["lift"] == 0) for c in heavy)
    bounds = {(c.n, c.most) for c in tests if c.world.endswith(":rooms") and c.most is not None}
    assert bounds == {(10, 0.07), (20, 0.07)}
    assert {c.most for c in tests if c.world.endswith(":days") and c.role == "size"} == {0.055}
    assert len([c for c in quick if c.verb != "did" and c.id not in further]) == len(plans_ab.QUICK)


def test_the_plan_of_roll_outs() -> None:
    cells = {cell.id: cell for cell in plans_did.cells()}
    quick = {cell.id for cell in trust.plan(quick=True)}
    assert set(cells) & quick == set(plans_did.QUICK)
    asked = {cell.call.get("estimator") for cell in cells.values()}
    later = {"sun_abraham", "imputation", "two_stage", "etwfe", "poisson"}
    synthetic = {"synthetic_control", "synthetic_did"}
    assert later | synthetic < asked
    ratios = [cell for cell in cells.values() if cell.id.startswith("ratio/") and "/capped/" not in cell.id]
    designs = {(c.dials["periods"], c.dials["lasting"], c.dials["larger"]) for c in ratios}
    assert len(designs) == 3 * 3 and len(ratios) == 4 * len(designs)
    alike = [c for c in ratios if c.dials["larger"] == 0]
    assert all(c.role == "valid" and c.reps >= 200 for c in alike)
    bounds = [c for c in cells.values() if c.least is not None]
    assert {c.least for c in bounds} == {0.94}
    assert {1.0, 2.0} <= {c.call["bound"] for c in bounds} and all(c.dials["bound"] == c.call["bound"] for c in bounds)
    assert all(c.null == (c.id.split("/")[0] in ("few", "kit", "far")) for c in cells.values())
    assert all(c.apart != (c.id.split("/")[0] in ("D5", "D6", "D7", "D9", "D10")) for c in cells.values())


def test_a_part_of_the_plan_renews_its_own_cells(whole: Path, tmp_path: Path) -> None:
    """The rest is taken from what the page was made of, unless its cell is another now."""
    docs = tmp_path / "docs"
    assert main([str(whole), str(docs)]) == 0
    part = tmp_path / "part"
    part.mkdir()
    file = "S__small-se.json"
    found = json.loads((whole / file).read_text())
    found["scores"]["coverage95"] = 0.5
    (part / file).write_text(json.dumps(found))
    assert main([str(part), str(docs)]) == 0
    kept = read_report(docs / "trust")
    assert [r.cell for r in kept.results] == cells()
    assert [r.scores["coverage95"] for r in kept.results if r.cell.id == "S/small-se"] == [0.5]
    other = json.loads((docs / "trust" / "S__right.json").read_text())
    other["cell"]["reps"] = 31
    (docs / "trust" / "S__right.json").write_text(json.dumps(other))
    assert main([str(part), str(docs)]) == 2


def test_the_page_in_the_docs(root: Path) -> None:
    data = root / "docs" / "trust"
    if not data.is_dir():
        pytest.skip("no run has been recorded in docs/trust")
    kept = read_report(data)
    paths = [r for r in kept.results if "band" in r.cell.applying and r.cell.verb == "did" and not r.cell.term]
    # Switching and doses are drawn without a true path.
    drawn = [r for r in paths if r.cell.id.startswith(("design/paused", "design/carried", "design/values"))]
    assert all(r.scores["band"] > 0 for r in paths if r not in drawn), "every path has its band"
    specs = [r.cell.spec() for r in kept.results]
    assert specs in ([c.spec() for c in trust.plan()], [c.spec() for c in trust.plan(quick=True)])
    assert (root / "docs" / "trust.md").read_text(encoding="utf-8") == page_text(kept), (
        "docs/trust.md is out of date; run: python -m gmvcausal.trust.page"
    )
    assert sum(file.stat().st_size for file in data.iterdir()) < 1_500_000


def test_a_page_of_few_replicates_says_so(tmp_path: Path) -> None:
    few = trust.run([Cell("S/few", SAMPLE, verb=MEAN, reps=2)], workers=0, progress=False)
    text = few.write_page(tmp_path / "trust.md", assets=tmp_path, data=tmp_path / "data").read_text(encoding="utf-8")
    assert "4 of 5 gates were not judged" in text and "gates hold" not in text


# --- making the page again --------------------------------------------------------------------------------------------
@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch, report: trust.Report, tmp_path: Path) -> Path:
    """The folder of a run of the plan."""
    monkeypatch.setattr("gmvcausal.trust.page.plan", lambda quick=False: tuple(cells()[: 4 if quick else None]))
    report.write_page(tmp_path / "x.md", assets=tmp_path / "x", data=tmp_path / "run")
    return tmp_path / "run"


def test_the_page_goes_to_the_folder_that_is_named(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "docs"
    assert main([str(whole), str(out)]) == 0
    written = [out / "trust.md", out / "assets", out / "trust"]
    assert capsys.readouterr().out.splitlines() == [str(path) for path in written]
    assert all(path.exists() for path in written)
    assert [r.cell for r in read_report(out / "trust").results] == cells()
    before = (out / "trust.md").read_text(encoding="utf-8")
    (out / "trust.md").unlink()
    assert main(["", str(out)]) == 0 and (out / "trust.md").read_text(encoding="utf-8") == before


def test_a_page_that_cannot_be_made(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> str:
        assert main(words) == 2
        return capsys.readouterr().err

    out = str(tmp_path / "docs")
    assert "there is no folder" in said(str(tmp_path / "nowhere"), out)
    (tmp_path / "empty").mkdir()
    assert "holds no results" in said(str(tmp_path / "empty"), out)
    file = tmp_path / "file"
    file.write_text("")
    assert "cannot be made" in said(str(whole), str(file))
    assert "the folder of a run and the folder to write to" in said("--out", out)
    assert "would replace the run" in said(str(whole.rename(tmp_path / "trust")), str(tmp_path))
    whole = (tmp_path / "trust").rename(whole)
    # the quick plan is whole with its own cells, and neither plan with another number of them
    for name in ("D8__equal__01__mean", "S__drift", "D8__equal__30__mean"):
        (whole / f"{name}.json").unlink()
    assert main([str(whole), out]) == 0
    capsys.readouterr()
    (whole / "S__wrong.json").unlink()
    assert "lacks 4 of the 7 cells of the plan, first S/wrong. Finish it with" in said(
        str(whole), str(tmp_path / "new")
    )
    # where the package is installed there is no docs folder beside it
    monkeypatch.setattr("gmvcausal.trust.page.__file__", str(tmp_path / "site" / "gmvcausal" / "trust" / "page.py"))
    assert "no checkout with a docs folder" in said(str(whole))
    assert "no checkout with a docs folder" in said()
    assert not (tmp_path / "site").exists()


# --- the command line -------------------------------------------------------------------------------------------------
@pytest.fixture
def small_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmvcausal.trust.plans.plan", lambda quick=False: tuple(cells()))


def command(*words: str, out: Path) -> tuple[int, str]:
    done = CliRunner().invoke(cli.cli, ["trust", "--out", str(out), "--workers", "0", "--quiet", *words])
    return done.exit_code, done.output


@pytest.mark.usefixtures("small_plan")
def test_exit_codes(tmp_path: Path) -> None:
    code, text = command("--quick", "--only", "S/right", out=tmp_path)
    assert code == 0 and "1 of 6 gates hold. 5 more are met and yet undecided" in text and "S/right" in text
    assert (tmp_path / "S__right.json").is_file()
    code, text = command("--only", "S/small*", "--reps", "200", out=tmp_path)
    assert code == 1 and "S/small-se: 95 % intervals" in text and "Monte Carlo error" in text


@pytest.mark.usefixtures("small_plan")
def test_few_replicates_end_with_0_and_say_so(tmp_path: Path) -> None:
    for reps in ("1", "2"):
        code, text = command("--only", "S/*", "--reps", reps, out=tmp_path)
        assert code == 0 and "gates were not judged: fewer than 30 replicates" in text and "nan" not in text


@pytest.mark.parametrize("words", [["--only", "nothing"], ["--reps", "0"], ["--workers", "-1"], ["--reps", "many"]])
def test_bad_input_is_exit_code_2(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gmvcausal", "trust", "--quick", "--quiet", "--out", str(tmp_path), *words],
        capture_output=True, text=True, env=os.environ, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip() and "Traceback" not in done.stderr


# --- what other pages quote -------------------------------------------------------------------------------------------
def test_the_table_of_capped_rows_is_that_of_the_page(root: Path) -> None:
    page = (root / "docs" / "estimators" / "ab-test.md").read_text(encoding="utf-8")
    quoted = [line for line in page.splitlines() if re.match(r"\| \d\.\d \| \d+,000 \|", line)]
    kept = read_report(root / "docs" / "trust")
    known = {(r.cell.dials["sigma"], r.cell.n, r.cell.dials["split"], r.cell.id.rpartition("/")[2]): r
             for r in kept.results if r.cell.id.startswith("AB/") and "/null/" in r.cell.id}  # fmt: skip
    assert len(quoted) >= 6
    for line in quoted:
        sigma, n, split, *shown = (part.strip() for part in line.strip("|").split("|"))
        plain, capped = (known[float(sigma), int(n.replace(",", "")), split, row].scores for row in ("plain", "capped"))
        flagged = plain["audit"]["tail"]["warned"]
        wanted = [f"{100 * share:.1f} %" for share in (1 - plain["coverage95"], flagged, 1 - capped["coverage95"])]
        assert shown == wanted, line
