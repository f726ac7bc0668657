"""Run cells: markets in parallel by process, replicates kept as they come, scores in the order of their numbers."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import NamedTuple

from gmvcausal.trust.cells import Cell, checked, whole
from gmvcausal.trust.records import columns
from gmvcausal.trust.replicate import Record, replicate
from gmvcausal.trust.report import CellResult, Report
from gmvcausal.trust.scores import scores
from gmvcausal.trust.store import Done, Store, versions

SEED = 20250618
# Small enough that the last tasks end together, large enough that handing them over costs nothing.
_CHUNK = 4
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class _Task(NamedTuple):
    """A few replicates of the cells that share a market, and for each which cells still need it."""

    cells: tuple[Cell, ...]
    wanted: tuple[tuple[int, tuple[int, ...]], ...]


def run(
    cells: Sequence[Cell] | None = None,
    *,
    quick: bool = False,
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    seed: int = SEED,
    progress: bool = True,
) -> Report:
    """Judge estimators in worlds whose truth is known.

    Parameters
    ----------
    cells : sequence of Cell, optional
        Default: the plan that the docs show, or with `quick` the one that takes under three minutes on two cores.
    quick : bool
    out : path, optional
        Folder for one JSON per cell. What is there from the same cells, seed, versions and source is not run again, and
        a run that was interrupted goes on where it was.
    workers : int, optional
        Processes; default: one per core. 0 runs in this process. Results do not depend on it.
    seed : int
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    Report
        `to_frame()`, `failed`, `summary()`, `plot(kind)`, `write_page(...)`.

    Raises
    ------
    InputError
        For cells, options or a folder that cannot be used.

    Notes
    -----
    Worker processes import the program that started them: in a script, call `run` under ``if __name__ == "__main__":``.

    Examples
    --------
    >>> from gmvcausal import trust
    >>> cell = trust.Cell("D5/two_by_two", "D5", call={"estimator": "two_by_two"}, reps=2)
    >>> report = trust.run([cell], workers=0, progress=False)
    >>> int(report.to_frame()["reps"].iloc[0])
    2
    """
    from gmvcausal.trust.plans import plan

    cells = checked(plan(quick=quick) if cells is None else cells)
    seed = whole("seed", seed, 0)
    count = (os.cpu_count() or 1) if workers is None else whole("workers", workers, 0)
    store = Store(out, seed)
    done = {cell.id: found for cell in cells if (found := store.load(cell)) is not None}
    tasks, have, market = [], {}, {}
    for group in _by_market([cell for cell in cells if cell.id not in done]):
        market[group[0].market] = group
        have[group[0].market] = store.resume(group)
        tasks += _tasks(group, have[group[0].market])
    left = {name: sum(t.cells[0].market == name for t in tasks) for name in market}
    from tqdm import tqdm

    with tqdm(total=sum(len(t.wanted) for t in tasks), unit="market", disable=not progress, leave=False) as bar:
        _settle([name for name in market if not left[name]], market, have, store, done)
        for task, made in _results(tasks, seed, count):
            name = task.cells[0].market
            for rep, records in made:
                store.keep([c for c in task.cells if c.key in records], rep, records)
                have[name] |= {(key, rep): record for key, record in records.items()}
            left[name] -= 1
            bar.update(len(made))
            if not left[name]:
                _settle([name], market, have, store, done)
    return Report(tuple(_result(done[cell.id], seed) for cell in cells), seed)


def _by_market(cells: Sequence[Cell]) -> list[tuple[Cell, ...]]:
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.market, []).append(cell)
    return [tuple(group) for group in groups.values()]


def _tasks(group: tuple[Cell, ...], have: dict[tuple[str, int], Record]) -> list[_Task]:
    """Replicates not at hand yet, a few to a task."""
    wanted = []
    for rep in range(max(cell.reps for cell in group)):
        # Cells may share a key: the same call under two roles is made once.
        keys = {c.key: i for i, c in reversed(list(enumerate(group))) if rep < c.reps and (c.key, rep) not in have}
        if keys:
            wanted.append((rep, tuple(sorted(keys.values()))))
    return [_Task(group, tuple(wanted[i : i + _CHUNK])) for i in range(0, len(wanted), _CHUNK)]


def _work(task: _Task, seed: int) -> list[tuple[int, dict[str, Record]]]:
    return [(rep, replicate([task.cells[i] for i in which], seed, rep)) for rep, which in task.wanted]


def _results(
    tasks: Sequence[_Task], seed: int, workers: int
) -> Iterator[tuple[_Task, list[tuple[int, dict[str, Record]]]]]:
    if not workers or not tasks:
        for task in tasks:
            yield task, _work(task, seed)
        return
    # Spawned, not forked: a worker must load its linear algebra with one thread, and forked DuckDB may lock up.
    with _one_thread(), ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            futures = {pool.submit(_work, task, seed): task for task in tasks}
            for future in as_completed(list(futures)):
                # Taken out, so that the answers of thousands of tasks are not held to the end.
                yield futures.pop(future), future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _one_thread() -> Iterator[None]:
    """The environment in which workers start: parallel by process only."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _settle(
    names: Sequence[str],
    market: dict[str, tuple[Cell, ...]],
    have: dict[str, dict[tuple[str, int], Record]],
    store: Store,
    done: dict[str, Done],
) -> None:
    """Score and write the cells of finished markets."""
    for name in names:
        for cell in market[name]:
            records = [have[name][cell.key, rep] for rep in range(cell.reps)]
            found = Done(cell, columns(records), sum(r.seconds for r in records))
            done[cell.id] = found
            store.save(found, scores(found.columns, null=cell.null))
        store.forget(name)
        have[name].clear()


def _result(done: Done, seed: int) -> CellResult:
    return CellResult(done.cell, scores(done.columns, null=done.cell.null), done.seconds, versions(), done)
