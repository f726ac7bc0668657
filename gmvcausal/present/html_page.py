"""A report as one HTML file: figures inside it, no script, nothing loaded from elsewhere, the same bytes each time."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from gmvcausal.present import content, digits, figures, names, phrases, style
from gmvcausal.present.chinese import say
from gmvcausal.present.translated import in_language
from gmvcausal.results import Result

_LANG = {"en": "en", "zh": "zh-CN"}


class _Verbatim(str):
    """Text that no translation touches: a manifest is to be read by machines too."""


def render(found: dict[str, Result], plans: Sequence[tuple[str, Any]], asked: content.Asked) -> str:
    """The page as text: the answers, and the heading and content of all else."""
    import jinja2

    language, labels = asked.language, asked.labels
    called = [*found, *(name for result in found.values() for name in names.written(result))]

    def printed(value: Any) -> Any:
        """Every text that reaches the page; markup made by the template itself is left alone."""
        if type(value) is str:
            return digits.clean(labels.get(value) or say(digits.true_minus(value, called), language, labels))
        return digits.clean(value) if isinstance(value, _Verbatim) else value

    def picture(one: content.Picture) -> dict[str, str]:
        return {"source": _Verbatim(_address(one, language, labels)), "alt": one.alt}

    def part(one: dict[str, Any]) -> dict[str, Any]:
        return one | picture(one["picture"]) if one["kind"] == "picture" else one

    sections = []
    for name, result in found.items():
        said = content.section(name, result, asked.currency)
        said |= {"pictures": [picture(p) for p in said["pictures"]], "manifest": _Verbatim(said["manifest"])}
        sections.append(said)
    side_by_side = ""
    answers = content.answers_in(found)
    if len(answers) > 1:
        compared = figures.compare(answers, benchmarks=asked.benchmarks, currency=asked.currency)
        side_by_side = _Verbatim(_address(content.Picture(compared, ""), language, labels))
    template = resources.files("gmvcausal.present").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=printed
    )
    # The template's own words: as constants they would be escaped before they are put into another language.
    ours = {name: label for name, label in labels.items() if name != label or name not in names.HEADS}
    environment.globals["t"] = lambda text: _Verbatim(digits.clean(say(text, language, ours)))
    environment.filters["as_is"] = _Verbatim
    # A sign is never parted from its number at the end of a line.
    environment.filters["unbroken"] = lambda text: _Verbatim(printed(text).replace("\u2212", "\u2212\u2060"))
    return environment.from_string(template).render(
        language=_Verbatim(_LANG[language]),
        **content.first_screen(found, asked),
        picture=side_by_side,
        sections=sections,
        beside=[phrases.sentence(digits.inline(text)) for text in asked.beside],
        extra=[
            {
                "heading": digits.inline(h),
                "id": _Verbatim(f"extra-{i}"),
                "parts": [part(p) for p in content.parts_of(c, language)],
            }
            for i, (h, c) in enumerate(plans)
        ],
    )


def _address(one: content.Picture, language: str, labels: Mapping[str, str]) -> str:
    """The figure as a data address: in an image no text of a figure can act on the page."""
    text = style.svg(in_language(one.figure, language, labels)).encode("utf-8", "replace")
    return "data:image/svg+xml;base64," + base64.b64encode(text).decode("ascii")
