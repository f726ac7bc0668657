"""What DuckDB really read of parquet files: its log of the file system, put beside the footers."""

import collections
import contextlib
import csv
import json
import os

import duckdb
import pyarrow.parquet as pq


@contextlib.contextmanager
def recorded(folder):
    """Every connection opened inside logs its reads into `folder`; yields a function that counts them."""
    real, opened = duckdb.connect, []

    def connect(*args, **options):
        connection = real(*args, **options)
        path = os.path.join(folder, f"log-{len(opened)}")
        os.mkdir(path)
        opened.append(path)
        connection.execute(f"CALL enable_logging('FileSystem', storage='file', storage_config={{'path': '{path}'}})")
        return connection

    duckdb.connect = connect
    try:
        yield lambda: _passes(opened)
    finally:
        duckdb.connect = real


def _passes(folders):
    """(file, column) -> how many times it was read, at least and at most; what two statements read in part adds up.

    Where reading is slow DuckDB fetches what lies between two columns along with them: whether a column in the middle
    of such a read was wanted is not known.
    """
    surely, perhaps = collections.Counter(), collections.Counter()
    known = {}
    for folder in folders:
        path = os.path.join(folder, "duckdb_log_entries.csv")
        if not os.path.exists(path):
            continue
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                read = json.loads(row["message"])
                if read.get("op") != "READ" or not read["path"].endswith(".parquet"):
                    continue
                if read["path"] not in known:
                    known[read["path"]] = _chunks(read["path"])
                if known[read["path"]] is None:
                    continue
                size, chunks = known[read["path"]]
                low, high = int(read["pos"]), int(read["pos"]) + int(read["bytes"])
                if high == size:
                    continue  # the footer, and what happens to lie before it
                met = [(c, min(high, end) - max(low, begin)) for c, begin, end in chunks if begin < high and end > low]
                for k, (column, shared) in enumerate(met):
                    (surely if k in (0, len(met) - 1) else perhaps)[read["path"], column] += shared
    found = {}
    for path, column in surely | perhaps:
        whole = sum(end - begin for c, begin, end in known[path][1] if c == column)
        least, most = (_times(n / whole) for n in (surely[path, column], surely[path, column] + perhaps[path, column]))
        if most:
            found[os.path.basename(path), column] = (least, most)
    return found


def _times(share):
    return max(round(share), int(share > 0.2))


def _chunks(path):
    """Size of a file, and the places of its column chunks; None for a temporary file that is gone."""
    if not os.path.exists(path):
        return None
    footer, found = pq.read_metadata(path), []
    for g in range(footer.num_row_groups):
        for c in range(footer.num_columns):
            chunk = footer.row_group(g).column(c)
            starts = (chunk.dictionary_page_offset, chunk.data_page_offset)
            begin = min(at for at in starts if at)  # no chunk begins at 0: the file's own mark does
            found.append((chunk.path_in_schema, begin, begin + chunk.total_compressed_size))
    found.sort(key=lambda chunk: chunk[1])
    return os.path.getsize(path), found
