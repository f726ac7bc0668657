"""LaTeX, compiled where it is installed: booktabs and threeparttable are all that a table needs beside ctex."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import gmvcausal as gc

PACKAGES = ("ctexart.cls", "booktabs.sty", "threeparttable.sty")


def missing() -> str:
    if shutil.which("xelatex") is None or shutil.which("kpsewhich") is None:
        return "xelatex is not installed"
    for name in PACKAGES:
        if subprocess.run(["kpsewhich", name], capture_output=True, check=False).returncode:
            return f"LaTeX is installed without {name}"
    return ""


WHY = missing()


@pytest.mark.skipif(bool(WHY), reason=f"tables are compiled where LaTeX has Chinese: {WHY}")
def test_tables_compile_in_both_languages(results: dict[str, Any], tmp_path: Path) -> None:
    labels = {"gmv": "成交额 & 50% _x^~#$"}
    tables = [
        gc.table(results["gain"], results["trend"], style="cn", labels=labels, caption="基准回归 {50%}").to_latex(),
        gc.table(results["gain"], results["twfe"]).to_latex(),
        results["few"].to_latex(language="zh"),
    ]
    many = [results[k] for k in ("gain", "trend", "twfe") * 4]
    tables += [gc.table(*many).to_latex(), gc.table(*many, style="cn", labels={"gmv": "平台用户月均成交额"}).to_latex()]
    used = {line for t in tables for line in t.splitlines() if line.startswith(r"\usepackage")}
    assert not used
    body = "\n".join(tables)
    (tmp_path / "a.tex").write_text(
        "\\documentclass{ctexart}\n\\usepackage{booktabs,threeparttable}\n\\begin{document}\n"
        + body
        + "\\end{document}\n",
        encoding="utf-8",
    )
    run = ["xelatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    wide = [float(x) for x in re.findall(r"Overfull \\\\hbox \(([\d.]+)pt too wide\) in alignment", done.stdout)]
    assert not wide  # columns that the page has no room for stand in further tables
    assert "(continued)" in tables[-2] and "（续）" in tables[-1]
    assert tables[-2].count(r"\addtocounter{table}{-1}") == tables[-2].count(r"\begin{table}") - 1
    assert "Output written on a.pdf" in done.stdout and "Missing character" not in (tmp_path / "a.log").read_text(
        "utf-8"
    )
