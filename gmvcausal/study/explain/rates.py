"""How long a pass takes: recorded by benchmarks on one machine, and carried over to this one by a short trial."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gmvcausal.frames.table import quote
from gmvcausal.frames.texts import quote_text
from gmvcausal.study.explain.plan import Rates

if TYPE_CHECKING:
    from gmvcausal.frames.files import Files

# Processor seconds for a million rows and pass, by `benchmarks/engines_slope.py` on 10 and 30 million rows.
RECORDED = {
    "logs": 0.048,
    "table": 0.085,  # panels in memory: their cells do not fit the processor's cache
    "did": 0.032,
    "did_sums": 0.045,
    "ab_test": 0.033,
    "ab_grouped": 0.031,
    "rows": 0.105,
}
# Seconds for a million values that the trial hashes, on the same machine.
TRIAL = 0.038

_ROWS = 1_000_000  # of the trial, at most
_TURNS = 3
_LEAST = 50_000  # rows: fewer tell nothing of a machine


def measure(files: Files, columns: list[str], rows: int) -> Rates:
    """Time a hash of the used columns over the first rows of the user's own file: under a second.

    Parameters
    ----------
    files : Files
    columns : list of str
    rows : int
        Of the table.

    Returns
    -------
    Rates
        The recorded ones, unscaled where the table is too small to tell.
    """
    import duckdb

    if rows < _LEAST or not columns:
        return Rates(RECORDED)
    taken = min(rows, _ROWS)
    listed = ", ".join(quote(c) for c in columns)
    path = ", ".join(quote_text(p) for p in files.paths[:1])
    text = f"SELECT bit_xor(hash({listed})), count(*) FROM (SELECT {listed} FROM read_parquet([{path}]) LIMIT {taken})"
    with duckdb.connect(config={"threads": 1}) as connection:
        taken = int(connection.execute(text).fetchall()[0][1])
        spent = []
        for _ in range(_TURNS):
            begin = time.process_time()
            connection.execute(text).fetchall()
            spent.append(time.process_time() - begin)
    factor = min(spent) / (taken * len(columns) / 1e6) / TRIAL
    return Rates(RECORDED, factor, taken)
