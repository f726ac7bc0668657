"""The manifest: what a reader needs to run the same analysis again and know that it is the same."""

from __future__ import annotations

import hashlib
import json
import math
import numbers
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PACKAGES = ("gmvcausal", "numpy", "pandas", "scipy", "duckdb", "pyarrow", "narwhals")


@dataclass(frozen=True)
class Manifest:
    """Versions, options, seed, data and what happened to the rows.

    Attributes
    ----------
    verb : str
        The verb that made the result.
    options : mapping
        Every option as it was used, defaults included.
    seed : int or None
    rows, columns : int
        Shape of the data as they came in.
    dropped : mapping of str to int
        Reason -> how many rows or units were left out.
    notes : tuple of str
        What was repaired or decided, one sentence each; the summary prints them.
    choices : tuple of str
        The options that made the number, in words, where the estimate does not show them.
    arrays : callable
        Gives the analysed arrays in canonical order (sorted by unit and time), for the hash.
    """

    verb: str
    options: Mapping[str, Any]
    seed: int | None
    rows: int
    columns: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    arrays: Callable[[], Iterable[NDArray[Any]]] = field(default=tuple, repr=False, compare=False)
    choices: tuple[str, ...] = ()

    @cached_property
    def versions(self) -> dict[str, str]:
        """Versions of Python and of the packages that made the numbers."""
        found = {"python": platform.python_version()}
        for package in _PACKAGES:
            try:
                found[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                found[package] = "not installed as a package"
        return found

    @cached_property
    def data_sha256(self) -> str:
        """SHA-256 of the analysed arrays in canonical order; made when first asked for."""
        digest = hashlib.sha256()
        for array in self.arrays():
            flat = np.ascontiguousarray(array)
            digest.update(f"{flat.dtype.str}{flat.shape}".encode())
            # surrogatepass: an id may hold a lone half of a surrogate pair, and is hashed as it is.
            text = flat.dtype == object
            joined = "\0".join(map(str, flat)).encode("utf-8", "surrogatepass") if text else b""
            digest.update(joined if text else flat.reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain Python values."""
        return {
            "verb": self.verb,
            "options": {k: _plain(v) for k, v in self.options.items()},
            "seed": self.seed,
            "data": {"rows": self.rows, "columns": self.columns, "sha256": self.data_sha256},
            "dropped": dict(self.dropped),
            "notes": list(self.notes),
            "versions": self.versions,
        }

    def to_json(self) -> str:
        """The manifest as JSON text."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        return text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair, of a name, fits no file


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)  # JSON knows neither NaN nor infinity
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value)
