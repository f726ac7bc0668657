"""The labels of a user that nothing on a page, in a table or on a figure is called: said, instead of dropped."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gmvcausal.errors import GmvCausalWarning
from gmvcausal.frames.rules import nearest
from gmvcausal.present import names


def warn_unknown(labels: Mapping[str, str], shown: Sequence[Any], *, whole: bool, frames_up: int = 3) -> None:
    """Warn of names in `labels` that nothing in `shown` has.

    Parameters
    ----------
    labels : mapping of str to str
        As checked.
    shown : sequence of Result, Shown, Table, DataFrame, str
        What is printed.
    whole : bool
        Whether `shown` is all there is. One dictionary often serves every figure of a study: of a part it is said only
        where another name is nearly the same, or where no label fits at all.
    frames_up : int
        Where the user's call is, for the line that the warning shows.
    """
    if not labels:
        return
    said = "\n".join(text for one in shown for text in _said(one))
    lost = [name for name in labels if name.strip() and name not in said]
    if not lost:
        return
    known = list(dict.fromkeys(name for one in shown for name in _called(one)))
    told = [f"{name!r} ({nearest(name, known, otherwise='names here are')})" for name in lost]
    if not whole and len(lost) < len(labels):
        told = [text for text in told if "(did you mean" in text]
    if told:
        warnings.warn(
            f"labels= names what nothing here is called: {', '.join(told)}", GmvCausalWarning, stacklevel=frames_up
        )


def _said(one: Any) -> Iterator[str]:
    """Every text in which a name could stand."""
    if isinstance(one, str):
        yield one
        return
    manifest = getattr(one, "manifest", None)
    if manifest is not None:
        yield from (str(one.title), str(manifest.options), *manifest.notes, *manifest.choices, *one.described)
        yield from (check.message for check in one.audit)
    if hasattr(one, "sentences"):
        yield from one.sentences()
    if hasattr(one, "findobj"):  # a figure
        yield from (text.get_text() for text in one.findobj(lambda artist: hasattr(artist, "get_text")))
    yield from _cells(one)


def _called(one: Any) -> Iterator[str]:
    """The names that could have been meant."""
    if not isinstance(one, str):
        yield from names.every(one)
        yield from (text for text in _cells(one) if " " not in text and not hasattr(one, "manifest"))


def _cells(one: Any) -> Iterator[str]:
    """Texts of its table, without numbers; its own heads where it is no result."""
    frame = one.to_frame() if hasattr(one, "to_frame") else one
    if not hasattr(frame, "columns"):
        return
    if not hasattr(one, "manifest"):
        yield from map(str, frame.columns)
    for k in range(frame.shape[1]):
        yield from dict.fromkeys(value for value in frame.iloc[:, k] if isinstance(value, str) and value)
