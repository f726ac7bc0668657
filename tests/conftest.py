"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")  # a machine without a screen; the programs that tests start inherit it
if "PYTEST_XDIST_WORKER" in os.environ:
    # As many workers as cores: threads of linear algebra and of trees on top of them wait for each other (a third more
    # processor time). Read when numpy is first imported, which is after this.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
# One test for each page, script or notebook: long, and without anything in common.
EACH_ON_ITS_OWN = {"test_docs_output.py", "test_examples.py", "test_notebooks.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who asks for the Spark session is marked, whatever its author remembered."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker("spark")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n` and no `--dist`, tests that share what is costly to make go to one worker together.

    A file shares its fixtures, the tests of one page its blocks, and all of tests/engines one Spark session.
    """
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByWhatIsShared(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            if file.startswith("tests/engines/"):
                return "tests/engines"
            _, bracket, parameters = test.partition("[")
            if bracket and file.rpartition("/")[2] in EACH_ON_ITS_OWN:
                return f"{bracket}{parameters}"
            return file

    return ByWhatIsShared(config, log)


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
