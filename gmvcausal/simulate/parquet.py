"""`write_livestream`: a market straight to parquet, block by block, so that memory does not grow with it."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gmvcausal.frames.written import whole_file
from gmvcausal.simulate import make
from gmvcausal.simulate.accounting import make_truth
from gmvcausal.simulate.folder import make_folder, refuse_others, truth_frames, write_frame
from gmvcausal.simulate.stage import set_stage

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def write_livestream(
    folder: str | Path,
    *,
    users: int = 2000,
    rooms: int = 20,
    days: int = 60,
    tactics: str | Sequence[str] = ("coupon",),
    seed: int = 0,
    start: str | dt.date = "2026-03-02",
    workers: int = 1,
    progress: bool = False,
    truth: bool = True,
    **dials: Any,
) -> list[Path]:
    """Simulate a market as `livestream` does, and write its tables as parquet files while it runs.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there; files of the same names are replaced. It must hold no other parquet files, so that
        what lies in it is one market.
    users, rooms, days, tactics, seed, start, workers, progress, **dials
        As in `livestream`.
    truth : bool
        Also work out the truth: ``truth.parquet``, ``truth_users.parquet`` and ``truth_event_study.parquet``. It takes
        several times as long as the logs.

    Returns
    -------
    list of Path
        One file per table, with the rows of `livestream` in the same order.

    Raises
    ------
    InputError
        As in `livestream`, or the folder cannot be made, is a file, or holds parquet files that would not be replaced.

    Examples
    --------
    >>> paths = write_livestream("market", users=100, rooms=3, days=10, truth=False)
    >>> sorted(path.stem for path in paths)
    ['assignments', 'coupons', 'exposures', 'orders', 'refunds', 'rooms', 'sessions', 'users', 'visits']
    """
    plan = make.make_plan(
        users=users, rooms=rooms, days=days, tactics=tactics, seed=seed, start=start, dials=dials
    )  # fmt: skip
    workers = make.check_workers(workers)
    to = make_folder(folder)
    rooms_side = make.room_side(set_stage(plan))
    names = [*rooms_side, *(("truth", "truth_users", "truth_event_study") if truth else ())]
    with _Files(to) as files:
        for made in make.each_block(plan, workers=workers, progress=progress):
            theirs = make.rename(plan, made)
            if not files.paths:  # the first block says which tables there are
                refuse_others(to, [*names, *theirs])
            for name, table in theirs.items():
                files.write(name, table)
        for name, table in rooms_side.items():
            files.write(name, table)
    paths = files.paths
    if truth:
        found = truth_frames(make_truth(plan, workers=workers, progress=progress))
        paths += [write_frame(to, name, frame) for name, frame in found.items()]
    return paths


class _Files:
    """One open parquet file per table; every block becomes a row group. All get their names at the end, or none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: list[Path] = []
        self._open: dict[str, tuple[pq.ParquetWriter, pa.Schema]] = {}
        self._names = ExitStack()

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *problem: Any) -> None:
        try:
            for writer, _ in self._open.values():
                writer.close()
        except BaseException:
            self._names.__exit__(*sys.exc_info())
            raise
        self._names.__exit__(*problem)

    def write(self, name: str, frame: pd.DataFrame) -> None:
        """Add rows to a table."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if name not in self._open:
            schema = pa.Schema.from_pandas(frame, preserve_index=False)
            for at, one in enumerate(schema):
                if pa.types.is_null(one.type):  # text, of which the first block has no row
                    schema = schema.set(at, pa.field(one.name, pa.string()))
            path = self.folder / f"{name}.parquet"
            self._open[name] = pq.ParquetWriter(self._names.enter_context(whole_file(path)), schema), schema
            self.paths.append(path)
        writer, schema = self._open[name]
        writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
