"""Pages under zh/ say that they are Chinese: screen readers, hyphenation and the choice of fonts follow it."""

from __future__ import annotations

from typing import Any


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """The language of the page itself; that of the site is in the theme."""
    return output.replace('<html lang="en"', '<html lang="zh-CN"', 1) if page.file.src_uri.startswith("zh/") else output
