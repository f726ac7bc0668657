"""Pages under zh/ are Chinese: they say so, and the theme's own words (search, contents, next page) are Chinese too.

Screen readers, hyphenation and the choice of fonts follow what a page says of its language.
"""

from __future__ import annotations

from typing import Any


def on_page_context(context: Any, *, page: Any, config: Any, nav: Any) -> Any:
    """The theme's words for this page; pages are written one after the other, each after this."""
    config.theme["language"] = "zh" if _chinese(page) else "en"
    return context


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """The language of the page itself: written Chinese of the mainland."""
    return output.replace('<html lang="zh"', '<html lang="zh-CN"', 1) if _chinese(page) else output


def on_post_build(*, config: Any) -> None:
    """The site's language again, for a server that builds once more."""
    config.theme["language"] = "en"


def _chinese(page: Any) -> bool:
    return bool(page.file.src_uri.startswith("zh/"))
