"""On every page: each block is closed, each block of TOML parses, each local link leads somewhere."""

from __future__ import annotations

import re
import textwrap
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / name for name in ("README.md", "README.zh.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<ticks>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
LINK = re.compile(r"\]\(<?(?P<target>[^)>\s]+)>?(?:\s+\"[^\"]*\")?\)")


class Block(NamedTuple):
    """A fenced block: language, rest of the info string, dedented text, the page's line where it begins."""

    language: str
    options: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, those in lists and admonitions too; a fence never closed is an error."""
    found: list[Block] = []
    lines = page.splitlines()
    at = 0
    while at < len(lines):
        opening = FENCE.match(lines[at])
        at += 1
        if opening is None:
            continue
        closing = re.compile(rf"^[ \t]*{opening['ticks'][0]}{{{len(opening['ticks'])},}}[ \t]*$")
        start = at
        while at < len(lines) and not closing.match(lines[at]):
            at += 1
        assert at < len(lines), f"the fence on line {start} is never closed"
        language, _, options = opening["info"].strip().partition(" ")
        found.append(Block(language.lower(), options.strip(), textwrap.dedent("\n".join(lines[start:at])), start + 1))
        at += 1
    return found


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_reader_of_blocks_itself() -> None:
    page = '# A\n\n```python title="x"\na = 1\n```\n\n'
    page += "!!! note\n\n    ~~~toml\n    b = 2\n    ~~~\n\n````text\n```python\n````\n"
    assert blocks(page) == [
        Block("python", 'title="x"', "a = 1", 4),
        Block("toml", "", "b = 2", 10),
        Block("text", "", "```python", 14),
    ]
    with pytest.raises(AssertionError, match="line 1 is never closed"):
        blocks("```python\na = 1\n")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_blocks_are_called_python(page: Path) -> None:
    """Others would not be run (by test_docs_output.py)."""
    for block in blocks(page.read_text(encoding="utf-8")):
        assert block.language not in {"py", "python3", "pycon"}, (
            f"{name(page)}:{block.line}: write `python`, so that the block is run"
        )


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_toml_blocks_parse(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.language == "toml":
            tomllib.loads(block.text)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_local_links_lead_somewhere(page: Path) -> None:
    prose = page.read_text(encoding="utf-8")
    for block in blocks(prose):
        prose = prose.replace(block.text, "") if block.text.strip() else prose
    targets = [match["target"].partition("#")[0] for match in LINK.finditer(prose)]
    missing = [
        t for t in targets if t and "://" not in t and not t.startswith("mailto:") and not (page.parent / t).exists()
    ]
    assert not missing, f"{name(page)} links to {missing}, which do not exist"


def test_every_page_stands_once_in_the_navigation() -> None:
    """A page listed twice is shown in the wrong place; mkdocs says nothing of it."""
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    listed = re.findall(r": (\S+\.md)$", navigation, flags=re.M)
    assert sorted(listed) == sorted(p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md"))
