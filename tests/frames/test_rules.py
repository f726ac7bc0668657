"""The sentences of the errors: counts, questions, and the same words for a frame and a file."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from log_inputs import KINDS, as_kind

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.engines.duck import DuckEngine
from gmvcausal.frames.relation import open_relation


@pytest.fixture
def space():
    made = DuckEngine()
    yield made
    made.close()


def refusal(space, data, kind) -> InputError:
    with pytest.raises(InputError) as caught:
        open_relation(space, data, "orders", {"role": ("x", kind)})
    return caught.value


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (rules.duplicated("unit-periods", None, 1200, [3], "sum them"), "1,200 unit-periods occur more than once; "),
        (rules.not_constant("w", "weight", "units", 7, [3], "give one"), "weight varies within units for 7 of them; "),
    ],
)
def test_a_count_that_the_rule_says_is_carried_but_not_printed_twice(error, text):
    assert error.count in (1200, 7)
    assert str(error).startswith(text)
    assert "found" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.count) == (str(error), error.count)


def test_a_question_keeps_its_mark():
    error = rules.no_such_column("gvm", ["gmv", "unit"], "outcome", "data")
    assert str(error) == "data has no column 'gvm', which was named for outcome. Did you mean 'gmv'?"
    assert str(rules.no_such_column("zzz", ["gmv", "unit"], "outcome", "data")).endswith("Name one of 'gmv', 'unit'.")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("values", "role", "words"),
    [
        ([0.0, 1.0, 2.0], "flag", "role (orders) must hold 0 and 1 only, but holds 2; column 'x'; 1 found"),
        ([1.0, 1234567.5, 2.5], "id", "numbers that are not whole, for example 1234567.5; column 'x'; 2 found"),
    ],
)
def test_a_file_fails_in_the_words_of_a_frame(kind, values, role, words, space, tmp_path):
    error = refusal(space, as_kind(pd.DataFrame({"x": values}), kind, tmp_path), role)
    assert words in str(error)


@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
def test_the_example_is_the_value_of_the_first_row_named(kind, space, tmp_path):
    # Many row groups, so that threads meet bad rows in another order than that of the file.
    n = 400_000
    frame = pd.DataFrame({"x": np.arange(n) + 0.25 * (np.arange(n) >= 1000)})
    error = refusal(space, as_kind(frame, kind, tmp_path), "id")
    assert error.rows[0] == 1000
    assert "for example 1000.25;" in str(error)


@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
def test_columns_called_as_the_query_calls_its_own(kind, space, tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.5], "position": 7, "place": 8, "bad": False, "example": "no"})
    error = refusal(space, as_kind(frame, kind, tmp_path), "id")
    assert error.rows == (2,)
    assert "3.5" in str(error)
