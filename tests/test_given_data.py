"""Data that the user has: found, told from other files, and refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

import gmvcausal as gc

LOADERS = {
    "hillstrom.csv": gc.datasets.hillstrom,
    "artea-a_b-experiment.csv": gc.datasets.artea,
    "california_prop99.csv": gc.datasets.prop99,
}
SHAPES = {"hillstrom.csv": (64_000, 12), "artea-a_b-experiment.csv": (5_000, 10), "california_prop99.csv": (1_209, 4)}


@pytest.mark.parametrize("name", LOADERS)
def test_every_way_to_name_the_file(name: str, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (data_dir / name).is_file():
        pytest.skip(f"no {name} in {data_dir}")  # the file may not be shipped with the project
    load = LOADERS[name]
    frame = load(data_dir / name)
    assert frame.shape == SHAPES[name] and str(frame.columns[0]) in ("recency", "id", "State")
    assert load(data_dir).equals(frame) and load(str(data_dir)).equals(frame)
    monkeypatch.setenv("GMVCAUSAL_DATA", str(data_dir))
    assert load().equals(frame)
    # The ends of its lines are not the file.
    other = tmp_path / "copy.csv"
    other.write_bytes((data_dir / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert load(other).equals(frame)
    other.write_bytes((data_dir / name).read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(gc.InputError, match=r"not .* as it was published"):
        load(other)


@pytest.mark.parametrize("name", LOADERS)
def test_without_the_file_the_message_says_where_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = LOADERS[name]
    monkeypatch.delenv("GMVCAUSAL_DATA", raising=False)
    with pytest.raises(gc.InputError, match=r"may not be shipped.*(MineThatData|Artea|synthdid).*GMVCAUSAL_DATA"):
        load()
    with pytest.raises(gc.InputError, match=r"cannot be read.*(MineThatData|Artea|synthdid)"):
        load(tmp_path / "gone.csv")
    with pytest.raises(gc.InputError, match="cannot be read"):
        load(tmp_path)
    with pytest.raises(gc.InputError, match="path must be a path"):
        load(3)  # type: ignore[arg-type]  # the wrong type is what is tested
