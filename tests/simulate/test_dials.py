"""Bad sizes, tactics and dials are refused with a remedy; the page lists every dial."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import gmvcausal as gc
from gmvcausal.cli import cli
from gmvcausal.simulate import livestream
from gmvcausal.simulate.dials import dial_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulator.md"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rooms": 0}, "rooms must be a whole number of at least 1, but is 0"),
        ({"users": 0}, "users must be"),
        ({"users": 10.5}, "users must be"),
        ({"users": True}, "users must be"),
        ({"users": float("nan")}, "users must be"),
        ({"days": 0}, "days must be"),
        ({"days": "60"}, "days must be"),
        ({"days": 1}, "a tactic needs a day before it"),
        ({"days": 5000}, "at most 4095"),
        ({"seed": -1}, "seed must be"),
        ({"seed": None}, "seed must be"),
        ({"start": "March"}, "start must be a date"),
        ({"start": 20260302}, "start must be a date"),
        ({"workers": 0}, "workers must be"),
        ({"tactics": ()}, "at least one tactic"),
        ({"tactics": 3}, "at least one tactic"),
        ({"tactics": "coupons"}, r"no tactic 'coupons'\. Did you mean 'coupon'"),
        ({"tactics": [None]}, "no tactic None"),
        ({"tactics": ("coupon", "coupon")}, "names a tactic twice"),
        ({"conversions": 0.1}, r"no dial 'conversions'\. Did you mean 'conversion'"),
        ({"conversion": -0.1}, r"conversion must be a number above 0 and at most 1, but is -0\.1"),
        ({"conversion": 0.0}, "conversion must be"),
        ({"visit_rate": 1.5}, "visit_rate must be"),
        ({"refund": 1.01}, "refund must be"),
        ({"basket_sd": float("nan")}, "basket_sd must be"),
        ({"basket": float("inf")}, "basket must be"),
        ({"stock": "much"}, "stock must be"),
        ({"host": True}, "host must be"),
        ({"coupon_every": 2.5}, "coupon_every must be a whole number"),
        ({"tail_limit": float("inf"), "tail_shape": 1.0}, "baskets have no mean"),
        ({"targeting": "magic"}, "targeting must be one of"),
        ({"festivals": 1}, "festivals must be True or False"),
        ({"weekday": (0.0,)}, "weekday must be 7 numbers"),
        ({"several_rooms": (0.5, 0.2, 0.2)}, "must sum to 1"),
        ({"start_day": 60}, "the tactics start on day 60, but the log ends with day 59"),
        ({"start_day": 0}, "start_day must be"),
        ({"adopt": (20, 10)}, "different days in their order"),
        ({"adopt": ()}, "different days in their order"),
        ({"adopt": (2.5,)}, "list of whole days"),
        (
            {"tactics": "raffle", "days": 40},
            r"rooms adopt up to day 48, but the log ends with day 39\. .*adopt=\(10, 20, 30\)",
        ),
        ({"tactics": "push", "assign": "room"}, "cannot be assigned to a room"),
        ({"tactics": "raffle", "assign": "user"}, "cannot be assigned to a user"),
        ({"truth_draws": 1}, "truth_draws must be"),
    ],
)
def test_bad_dials_are_refused(given: dict, message: str) -> None:
    with pytest.raises(gc.InputError, match=message) as caught:
        livestream(**given)
    assert caught.value.remedy or "seed" in given  # the house's own rule on seeds says it all


def test_the_page_lists_every_dial_with_its_default() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, default, doc, source in dial_table():
        assert f"| `{name}` | {default} | {doc} | {source} |" in page


def test_an_untruncated_tail_is_allowed() -> None:
    market = livestream(users=30, rooms=1, days=4, tail_limit=float("inf"), truth_draws=2)
    assert market.truth.std_error >= 0


def test_the_smallest_market() -> None:
    for tactic in ("coupon", "raffle", "community", "win_back"):
        market = livestream(users=1, rooms=1, days=2, tactics=tactic, adopt=(1,), truth_draws=2)
        assert len(market.logs.users) == 1
        assert market.truth.to_frame().shape[1] == 6


def test_the_command(tmp_path) -> None:
    size = ["simulate", "--out", str(tmp_path / "a"), "--users", "60", "--days", "12", "--quiet"]
    done = CliRunner().invoke(
        cli, [*size, "--tactics", "raffle,coupon", "--dial", "adopt=[3,6]", "--dial", "targeting=lot"]
    )
    assert done.exit_code == 0, done.output
    assert {"orders.parquet", "truth.parquet", "user_exposures.parquet"} <= {p.name for p in (tmp_path / "a").iterdir()}
    done = CliRunner().invoke(cli, ["simulate", "--out", str(tmp_path / "b"), "--world", "D5", "--users", "20"])
    assert done.exit_code == 0 and (tmp_path / "b" / "truth.parquet").exists()
    for wrong in (["--dial", "conversion"], ["--dial", "conversion=x"], ["--users", "0"], ["--world", "D99"]):
        assert isinstance(CliRunner().invoke(cli, [*size, *wrong]).exception, gc.InputError)
