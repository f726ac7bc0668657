"""A progress bar for loops that take a while, or none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from gmvcausal.stats.resampling import silent


def ticking(what: str, unit: str, total: int | None, shown: bool) -> AbstractContextManager[Callable[[int], object]]:
    """A context that hands out the function to be told how many are done.

    Examples
    --------
    >>> with ticking("bootstrap", "draw", 10, shown=False) as tick:
    ...     tick(10)
    """
    if not shown:
        return nullcontext(silent)
    from tqdm import tqdm

    return _Ticking(tqdm(desc=what, unit=unit, total=total, leave=False))


class _Ticking(AbstractContextManager[Callable[[int], object]]):
    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def __enter__(self) -> Callable[[int], object]:
        return lambda done: self.bar.update(done)

    def __exit__(self, *error: object) -> None:
        self.bar.close()
