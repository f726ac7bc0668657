"""On every page each block of Python runs, and what is shown as output is what it prints.

A Chinese page with the very code of its English twin (comments aside) is held against what stands there, and not run
again: it must show the same. To renew the pages: python tests/test_docs_output.py
"""

from __future__ import annotations

import ast
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

from test_docs import PAGES, ROOT, Block, blocks, name

SHOWN = 'title="Output"'
DOCS = ROOT / "docs"


def of_twin(page: Path) -> list[tuple[int, str, str]] | None:
    """What `printed` gives, from the English page with the same code; None where there is none, or the code differs."""
    if not page.is_relative_to(DOCS / "zh"):
        return None
    english = DOCS / page.relative_to(DOCS / "zh")
    if not english.is_file():
        return None
    mine, theirs = (_code_and_outputs(one) for one in (page, english))
    code = [[ast.dump(ast.parse(b.text)) if b.language == "python" else "" for b in found] for found in (mine, theirs)]
    if code[0] != code[1]:
        return None
    return [(a.line, a.text, b.text) for a, b in zip(mine, theirs, strict=True) if a.language != "python"]


def _code_and_outputs(page: Path) -> list[Block]:
    found = blocks(page.read_text(encoding="utf-8"))
    return [block for block in found if block.language == "python" or block.options == SHOWN]


def printed(page: Path) -> list[tuple[int, str, str]]:
    """Line, text shown and text printed of every ```text title="Output" block; it follows the code that prints it.

    The blocks of Python run in the order of the page, in one namespace.
    """
    if (twin := of_twin(page)) is not None:
        return twin

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


def test_a_page_with_the_code_of_its_twin_shows_what_the_twin_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "DOCS", tmp_path)
    (tmp_path / "zh").mkdir()
    page, english = tmp_path / "zh" / "a.md", tmp_path / "a.md"
    shown = '```python\n# {}\nprint({})\n```\n\n```text title="Output"\n{}\n```\n'
    english.write_text(shown.format("two", "1 + 1", "2"), encoding="utf-8")
    page.write_text(shown.format("两", "1 + 1", "3"), encoding="utf-8")
    assert of_twin(page) == [(7, "3", "2")]  # out of date
    assert of_twin(english) is None
    page.write_text(shown.format("两", "1 + 2", "3"), encoding="utf-8")
    assert of_twin(page) is None  # other code: it is run
    assert printed(page) == [(7, "3", "3")]


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
    for one in PAGES:
        if SHOWN in one.read_text(encoding="utf-8"):
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
                renew(one)
