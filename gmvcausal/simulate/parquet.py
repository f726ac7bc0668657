"""`write_livestream`: a market straight to parquet, block by block, so that memory does not grow with it."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gmvcausal.errors import InputError
from gmvcausal.simulate import make
from gmvcausal.simulate.accounting import make_truth
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
        Made if it is not there; files of the same names are replaced.
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
        As in `livestream`, or the folder is a file.

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
    to = Path(folder)
    if to.exists() and not to.is_dir():
        raise InputError(f"{to} is a file, not a folder", remedy="name another folder")
    os.makedirs(to, exist_ok=True)
    with _Files(to) as files:
        for made in make.each_block(plan, workers=workers, progress=progress):
            for name, table in make.rename(plan, made).items():
                files.write(name, table)
        for name, table in make.room_side(set_stage(plan)).items():
            files.write(name, table)
    paths = files.paths
    if truth:
        found = make_truth(plan, workers=workers, progress=progress)
        extra = {"truth": found.to_frame(), "truth_users": found.users, "truth_event_study": found.event_study}
        for name, frame in extra.items():
            if frame is not None:
                paths.append(to / f"{name}.parquet")
                frame.to_parquet(paths[-1], index=False)
    return paths


class _Files:
    """One open parquet file per table; every block becomes a row group."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: list[Path] = []
        self._open: dict[str, tuple[pq.ParquetWriter, pa.Schema]] = {}

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *problem: object) -> None:
        for writer, _ in self._open.values():
            writer.close()

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
            self._open[name] = pq.ParquetWriter(path, schema), schema
            self.paths.append(path)
        writer, schema = self._open[name]
        writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
