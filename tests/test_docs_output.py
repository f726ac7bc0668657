"""On every page each block of Python runs, and what is shown as output is what it prints.

To renew the pages: python tests/test_docs_output.py
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import textwrap
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from test_docs import PAGES, blocks, name

SHOWN = 'title="Output"'


def printed(page: Path) -> list[tuple[int, str, str]]:
    """Line, text shown and text printed of every ```text title="Output" block; it follows the code that prints it.

    The blocks of Python run in the order of the page, in one namespace.
    """
    import matplotlib.pyplot as plt

    namespace: dict[str, object] = {"__name__": "__main__"}
    found: list[tuple[int, str, str]] = []
    last = ""
    try:
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.language == "python":
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    # as many empty lines before it as the page has: a traceback then names the page's own line
                    exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)
                last = textwrap.dedent("\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")))
            elif block.options == SHOWN:
                found.append((block.line, block.text, last))
    finally:
        plt.close("all")
    return found


# The blocks of the gallery run in test_gallery.py, which looks at what they draw.
@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "gallery.md"], ids=name)
def test_blocks_run_and_print_what_is_shown(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, with warnings as errors."""
    monkeypatch.chdir(tmp_path)
    for line, shown, actual in printed(page):
        assert shown == actual, f"{name(page)}:{line} is out of date; run: python tests/test_docs_output.py"


def renew(page: Path) -> None:
    """Write what the code prints into the page."""
    lines = page.read_text(encoding="utf-8").split("\n")
    for line, shown, actual in reversed(printed(page)):
        end = line - 1 + (len(shown.split("\n")) if shown else 0)  # an empty block has no line to replace
        lines[line - 1 : end] = actual.split("\n")
    page.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "Agg"
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for one in PAGES:
            if SHOWN in one.read_text(encoding="utf-8"):
                renew(one)
