"""Every message that docs/troubleshooting.md is keyed by is provoked by its own code, or stands in the package."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def entries() -> dict[str, str]:
    """Heading to the text under it."""
    parts = re.split(r"^###? (.+)$", PAGE, flags=re.M)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    return {heading: text for heading, text in found.items() if text.strip()}


def test_every_entry_is_keyed_by_a_message() -> None:
    found = entries()
    assert len(found) >= 20
    source = "\n".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "gmvcausal").rglob("*.py")))
    for heading, text in found.items():
        provoked = re.findall(r'shows\(\s*"((?:[^"\\]|\\.)*)"', text) + re.findall(r'"([^"\n]+)" in ', text)
        in_code = any(heading in message or message in heading for message in provoked)
        assert in_code or heading in source, f"no message reads {heading!r}"


def test_every_class_of_error_has_an_entry() -> None:
    source = (ROOT / "gmvcausal" / "errors.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^class (\w+)\(", source, flags=re.M)) <= set(entries())
