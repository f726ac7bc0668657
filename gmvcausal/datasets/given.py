"""Data that may not be shipped: read from a file that the user has, and told from any other file by its checksum."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmvcausal.errors import InputError
from gmvcausal.frames.params import said

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "GMVCAUSAL_DATA"


@dataclass(frozen=True)
class _File:
    """A published CSV file.

    Attributes
    ----------
    name : str
        Name in the folder.
    sha256 : str
        Of its text, without a byte-order mark, lines ended by a line feed.
    source : str
        Where it can be had, in words.
    separator : str
        Between its columns.
    """

    name: str
    sha256: str
    source: str
    separator: str = ","


_HILLSTROM = _File(
    "hillstrom.csv",
    "27bab8c5d3669f26ec08ebb50a0a78317542f29501156f2e2af6781fab4cd7e2",
    "the MineThatData e-mail analytics and data mining challenge of Kevin Hillstrom (20 March 2008); scikit-uplift "
    "fetches the same table with fetch_hillstrom",
)
_ARTEA = _File(
    "artea-a_b-experiment.csv",
    "8065e135e8422a39cd0181b2d81086505090b3932ef50a43096487ac25a419d0",
    "the teaching case 'Artea: Designing Targeting Strategies' by Eva Ascarza and Ayelet Israeli (Harvard Business "
    "School, 2020), its A/B experiment",
)

_PROP99 = _File(
    "california_prop99.csv",
    "550d24c2f743507d097692d181bdbbf36c6168a39a0b6fc831cc89d98082f7de",
    "the R package synthdid (Arkhangelsky and others 2021), its data set california_prop99",
    ";",
)


def hillstrom(path: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """The e-mail test of MineThatData: 64,000 customers, two e-mails and none, by lot.

    Parameters
    ----------
    path : path, optional
        The file, or the folder with ``hillstrom.csv``. Default: the folder named by the environment variable
        ``GMVCAUSAL_DATA``. The file states no licence, so the library may not ship it.

    Returns
    -------
    DataFrame
        recency (months), history_segment, history (money spent in the year before), mens, womens (bought there),
        zip_code, newbie, channel; segment (the arm: ``"No E-Mail"``, ``"Mens E-Mail"``, ``"Womens E-Mail"``); visit,
        conversion and spend in the two weeks after.

    Raises
    ------
    InputError
        No file, or another one: the message says where it can be had.

    Examples
    --------
    >>> import gmvcausal as gc                                                                      # doctest: +SKIP
    >>> gc.ab_test(gc.datasets.hillstrom("hillstrom.csv"), arm="segment", control="No E-Mail",      # doctest: +SKIP
    ...            metrics=["spend", gc.Proportion("visit")])
    """
    return _read(_HILLSTROM, path)


def artea(path: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """The coupon test of the teaching case Artea: 5,000 customers, a coupon or none, by lot.

    Parameters
    ----------
    path : path, optional
        The file, or the folder with ``artea-a_b-experiment.csv``. Default: the folder named by the environment variable
        ``GMVCAUSAL_DATA``. The case is copyrighted, so the library may not ship it.

    Returns
    -------
    DataFrame
        id, test_coupon (the arm: 0 or 1), trans_after and revenue_after (orders and revenue), and what was known
        before: channel_acq, num_past_purch, spent_last_purchase, weeks_since_visit, browsing_minutes, shopping_cart.

    Raises
    ------
    InputError
        No file, or another one: the message says where it can be had.

    Examples
    --------
    >>> import gmvcausal as gc                                                                      # doctest: +SKIP
    >>> gc.ab_test(gc.datasets.artea(), arm="test_coupon", metrics="revenue_after")                 # doctest: +SKIP
    """
    return _read(_ARTEA, path)


def prop99(path: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Cigarettes in 39 states, 1970 to 2000: California taxed them from 1989 on (Proposition 99).

    Parameters
    ----------
    path : path, optional
        The file, or the folder with ``california_prop99.csv``. Default: the folder named by the environment variable
        ``GMVCAUSAL_DATA``.

    Returns
    -------
    DataFrame
        State, Year, PacksPerCapita (packs sold per head), treated (1 for California from 1989 on).

    Raises
    ------
    InputError
        No file, or another one: the message says where it can be had.

    Examples
    --------
    >>> import gmvcausal as gc                                                                      # doctest: +SKIP
    >>> gc.did(gc.datasets.prop99(), outcome="PacksPerCapita", unit="State", time="Year",           # doctest: +SKIP
    ...        treated="treated", estimator="synthetic_did")
    """
    return _read(_PROP99, path)


def _read(file: _File, path: str | os.PathLike[str] | None) -> pd.DataFrame:
    import pandas as pd

    found = _find(file, path)
    remedy = f"it comes with {file.source}; pass its path, or set {FOLDER} to its folder"
    try:
        content = found.read_bytes()
    except OSError as error:
        raise InputError(f"the file {str(found)!r} cannot be read: {error.strerror}", remedy=remedy) from None
    text = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
    if hashlib.sha256(text).hexdigest() != file.sha256:
        raise InputError(f"the file {str(found)!r} is not {file.name!r} as it was published", remedy=remedy)
    return pd.read_csv(io.BytesIO(text), sep=file.separator)


def _find(file: _File, path: str | os.PathLike[str] | None) -> Path:
    if path is None:
        folder = os.environ.get(FOLDER)
        if not folder:
            raise InputError(
                f"{file.name!r} may not be shipped with the library, and no path to it was given",
                remedy=f"it comes with {file.source}; pass its path, or set {FOLDER} to its folder",
            )
        return Path(folder) / file.name
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"path must be a path to {file.name!r}, but is {said(path)}")
    given = Path(path)
    return given / file.name if given.is_dir() else given
