"""Chinese: the one function that every text of a Chinese page, table or figure passes through.

Sentences are made once, in English, from the numbers. The catalogue (the ``.txt`` files beside this module, one for
each room) holds templates of those sentences with their Chinese, so that no number is formatted or decided twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gmvcausal.present.chinese.matching import Translator

__all__ = ["say", "translate"]


def translate(text: str, labels: Mapping[str, str] | None = None) -> str:
    """The Chinese of a text that this package made; what the catalogue does not know is given back as it is.

    Parameters
    ----------
    text : str
        A name, a phrase, a sentence, or several sentences.
    labels : mapping of str to str, optional
        Chinese for the user's own names (``{"gmv": "成交额"}``), which are otherwise kept as they are.

    Returns
    -------
    str
        Its numbers are those of `text`, sign for sign: a translation that loses or changes one is not used.

    Examples
    --------
    >>> translate("No gain found: −0.03 gmv per unit (95% interval −0.30 to +0.23).", {"gmv": "成交额"})
    '未发现增益：−0.03 成交额／单位（95% 置信区间 −0.30 至 +0.23）。'
    """
    return _of(tuple(sorted((labels or {}).items()))).page(text)


def say(text: Any, language: str, labels: Mapping[str, str] | None = None) -> str:
    """`text` in the language of the page.

    In English `labels` stand for a name alone, in quotes, or at the head of a unit: elsewhere a column called
    ``treated`` is told from the word by nobody.

    Examples
    --------
    >>> say("No gain found: 0.3 gmv per unit, as 'gmv' is", "en", {"gmv": "sales"})
    "No gain found: 0.3 sales per unit, as 'sales' is"
    """
    if language == "zh":
        return translate(str(text), labels)
    if not labels:
        return str(text)
    if text in labels:
        return labels[text]
    names = "|".join(re.escape(name) for name in sorted(labels, key=len, reverse=True))
    where = re.compile(rf"(?<=')(?:{names})(?=')|(?<!\w)(?:{names})(?= per )")
    return where.sub(lambda found: labels[found.group()], str(text))


@lru_cache(maxsize=16)
def _of(labels: tuple[tuple[str, str], ...]) -> Translator:
    return Translator(dict(labels))
