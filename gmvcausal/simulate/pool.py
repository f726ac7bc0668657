"""Work shared among processes and handed over in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

T = TypeVar("T")


def in_order(
    work: Callable[[int], T], blocks: int, *, workers: int = 1, progress: bool = False, what: str = ""
) -> Iterator[T]:
    """`work` on each block, handed over in the order of blocks; at most a few results wait in memory.

    Parameters
    ----------
    work : callable
        Takes a block's number; picklable where `workers` is above 1.
    blocks, workers : int
    progress : bool
        Show a progress bar named `what`.

    Examples
    --------
    >>> list(in_order(abs, 3))
    [0, 1, 2]
    """
    from tqdm import tqdm

    with tqdm(total=blocks, desc=what, unit="block", disable=not progress) as bar:
        if workers == 1 or blocks == 1:
            for number in range(blocks):
                yield work(number)
                bar.update()
            return
        # spawned, not forked: the parent may hold threads, and a forked child of theirs can hang
        with ProcessPoolExecutor(min(workers, blocks), mp_context=get_context("spawn")) as pool:
            waiting = [pool.submit(work, number) for number in range(min(2 * workers, blocks))]
            for number in range(blocks):
                done = waiting.pop(0).result()
                if number + 2 * workers < blocks:
                    waiting.append(pool.submit(work, number + 2 * workers))
                yield done
                bar.update()
