"""Boosted trees that are fitted: what they say of rows, their parts, their text.

LightGBM is met here, where trees grow (`boost`) and where a forest puts its trees into one model (`learners.grown`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Matrix = NDArray[np.float32]

# From so many rows on memory that models have freed is returned at once; as many are predicted at a time.
MANY = 100_000


def lightgbm() -> Any:
    """The library, loaded when first needed."""
    try:
        import lightgbm as found
    except (ImportError, OSError) as error:  # OSError: its library of threads is missing on some systems
        raise InputError(
            f"uplift needs LightGBM, which cannot be loaded here ({error})",
            remedy="run pip install lightgbm (on Linux also the system's libgomp)",
        ) from error
    return found


@dataclass(frozen=True, eq=False)
class Trees:
    """A fitted model.

    Attributes
    ----------
    booster : lightgbm.Booster or None
        None where there was nothing to learn: the model is its constant.
    middle, spread : float
        Prediction = middle + spread x what the trees say; under a link the trees say it all.
    objective : str
    """

    booster: Any
    middle: float
    spread: float
    objective: str

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """One prediction for each row of `x`, shape (n,): means, chances."""
        if self.booster is None or not len(x):
            return np.full(len(x), self.middle)
        said = _through(self.booster, x, threads)
        return self.middle + self.spread * said if self.objective == "regression" else said

    def contributions(self, x: Matrix, threads: int = 1) -> FloatArray:
        """What each feature adds to each prediction, and in the last column where all start from: Shapley values of the
        trees, exact (Lundberg et al. 2020), shape (n, p + 1). Rows sum to `predict`; for models without a link."""
        if self.booster is None or not len(x):
            return np.column_stack([np.zeros(x.shape), np.full(len(x), self.middle)])
        found = self.spread * np.asarray(self.booster.predict(x, pred_contrib=True, num_threads=threads))
        found[:, -1] += self.middle
        return found

    def raw(self, x: Matrix, threads: int = 1) -> FloatArray:
        """What the trees add on the scale of the link, shape (n,)."""
        if self.objective == "regression":
            return self.predict(x, threads)
        if self.booster is None or not len(x):
            return np.full(len(x), link(self.middle, self.objective) if self.middle else 0.0)
        return _through(self.booster, x, threads, raw_score=True)

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        text = "" if self.booster is None else self.booster.model_to_string()
        return {"text": text, "middle": self.middle, "spread": self.spread, "objective": self.objective}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Trees:
        """What `to_dict` made."""
        lgb = lightgbm()
        try:
            booster = lgb.Booster(model_str=str(found["text"])) if found["text"] else None
        except lgb.basic.LightGBMError:
            raise ValueError("the text is no model of LightGBM") from None
        return cls(booster, float(found["middle"]), float(found["spread"]), str(found["objective"]))


def _through(booster: Any, x: Matrix, threads: int, **options: Any) -> FloatArray:
    """What a booster says of every row, block by block: it copies the features, row after row, before it reads them."""
    out = np.empty(len(x))
    width = booster.num_feature()  # columns beyond these are for lines
    for at in range(0, len(x), MANY):
        block = slice(at, at + MANY)
        out[block] = booster.predict(np.ascontiguousarray(x[block, :width]), num_threads=threads, **options)
    return out


def link(value: Any, objective: str) -> Any:
    """Means on the scale that trees add up on: log odds of chances, logarithms of amounts."""
    if objective in ("binary", "cross_entropy"):
        safe = np.clip(value, 1e-6, 1 - 1e-6)
        return np.log(safe / (1 - safe))
    return np.log(np.maximum(value, 1e-300)) if objective == "gamma" else value


def unlink(value: FloatArray, objective: str) -> FloatArray:
    """The inverse of `link`."""
    if objective in ("binary", "cross_entropy"):
        return np.asarray(1 / (1 + np.exp(-np.clip(value, -30, 30))))
    return np.asarray(np.exp(np.clip(value, -300, 300))) if objective == "gamma" else value
