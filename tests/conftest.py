"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")  # a machine without a screen; the programs that tests start inherit it

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout (or the unpacked sdist) that the tests belong to."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Data that the project may not ship: $GMVCAUSAL_DATA, else ../shared/data beside the checkout."""
    named = os.environ.get("GMVCAUSAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}: set GMVCAUSAL_DATA to the folder that holds mpdta.csv and its like")
    return folder
