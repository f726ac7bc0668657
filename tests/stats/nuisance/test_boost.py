"""What trees say of the rows that they learned from, without going through them; rows of one binning."""

import numpy as np
import pytest

from gmvcausal.stats.nuisance.boost import Bins, Recipe


def drawn(objective: str, n: int = 1200) -> tuple[np.ndarray, np.ndarray]:
    """Features with gaps and a category, and an outcome of the objective."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 3] = rng.integers(0, 12, n)
    x[::7, 1] = np.nan
    line = x[:, 0] + 0.3 * (x[:, 3] > 5)
    y = {
        "regression": 1e4 + 50 * (line + rng.normal(size=n)),
        "binary": (rng.random(n) < 1 / (1 + np.exp(-line))).astype(float),
        "gamma": np.exp(line) * rng.gamma(2, 1, n),
    }[objective]
    return x, y


@pytest.mark.parametrize("objective", ["regression", "binary", "gamma"])
@pytest.mark.parametrize("started", [False, True])
def test_kept_sums_are_predictions(objective: str, started: bool) -> None:
    """The sums kept in training are what the model predicts of these rows, with and without a start."""
    x, y = drawn(objective)
    rows = np.flatnonzero(np.arange(len(y)) % 5 != 2)
    rng = np.random.default_rng(0)
    start = 0.3 * rng.normal(size=len(rows)) if started and objective != "regression" else None
    weight = rng.uniform(0.5, 2, len(rows)) if started and objective == "regression" else None
    trees, seen = Bins(x, (3,), 0, 1).grow(rows, y[rows], Recipe(40, 7, 0.1, 20, 1.0, objective), weight, start)
    assert trees.booster is not None and seen.std() > 0
    np.testing.assert_allclose(seen, trees.raw(x[rows]), rtol=1e-12, atol=1e-12)


def test_predictions_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are gone through a block at a time, in the order of either layout of the matrix."""
    x, y = drawn("binary")
    trees = Bins(x, (3,), 0, 1).train(np.arange(len(y)), y, Recipe(20, 7, 0.1, 20, 1.0, "binary"))
    whole, raw = trees.predict(x), trees.raw(x)
    np.testing.assert_allclose(whole, trees.booster.predict(x), rtol=1e-15)
    monkeypatch.setattr("gmvcausal.stats.nuisance.boosted.MANY", 7)
    np.testing.assert_array_equal(trees.predict(np.asfortranarray(x)), whole)
    np.testing.assert_array_equal(trees.raw(x[::-1]), raw[::-1])


def test_nothing_to_learn_is_said_too() -> None:
    """A constant outcome, or too few rows: one number for every row, that of the model."""
    x, y = drawn("regression")
    bins, rows = Bins(x, (), 0, 1), np.arange(100)
    trees, seen = bins.grow(rows, np.full(100, 3.5), Recipe())
    assert trees.booster is None and seen.tolist() == [3.5] * 100
    few, seen = bins.grow(rows[:9], y[:9], Recipe())
    np.testing.assert_allclose(seen, few.raw(x[:9]))


def test_no_leaf_to_split_ends_early() -> None:
    """Leaves that need half of the rows: trees without a split, and the mean."""
    x, y = drawn("regression")
    bins, rows = Bins(x[:, :1].round(), (), 0, 1), np.arange(len(y))
    trees, seen = bins.grow(rows, y, Recipe(50, 5, 0.1, len(y) // 2, 0.0))
    np.testing.assert_allclose(seen, y.mean(), rtol=1e-9)
    np.testing.assert_allclose(trees.predict(x[:5, :1]), y.mean(), rtol=1e-9)


def test_rows_are_those_that_were_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are taken over as an array; where a release of LightGBM does not take it, by its own list."""
    import lightgbm as lgb

    x, y = drawn("regression")
    rows = np.flatnonzero(x[:, 0] > 0.2)
    how = Recipe(10, 5, 0.1, 20, 1.0)
    fast = Bins(x, (3,), 0, 1).train(rows, y[rows], how).predict(x)

    class Listed(lgb.Dataset):
        """Keeps the rows that `subset` was given, whatever is set afterwards."""

        @property
        def used_indices(self) -> object:
            return self.__dict__.get("first")

        @used_indices.setter
        def used_indices(self, value: object) -> None:
            if self.__dict__.get("first") is None:
                self.__dict__["first"] = value

    monkeypatch.setattr("lightgbm.basic.Dataset", Listed)
    monkeypatch.setattr(lgb, "Dataset", Listed)
    slow = Bins(x, (3,), 0, 1).train(rows, y[rows], how).predict(x)
    np.testing.assert_array_equal(fast, slow)
    assert np.abs(fast - Bins(x, (3,), 0, 1).train(rows + 0, y[rows][::-1], how).predict(x)).max() > 1
