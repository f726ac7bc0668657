"""Verbs whose options a study file holds as they are."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.study.verbs import PLAIN, load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plain")
    rng = np.random.default_rng(0)
    sent = np.arange(2000) % 2
    delivered = (sent == 1) & (rng.random(2000) < 0.6)
    spent = rng.uniform(0, 600, 2000)
    users = pd.DataFrame({"sent": sent, "delivered": delivered.astype(int), "spent": spent})
    users["gmv"] = rng.gamma(2, 5, 2000) + 3.0 * delivered + 4.0 * (spent >= 300)
    users.to_parquet(out / "users.parquet")
    return out


def study(folder: Path, text: str) -> gc.study.StudyResult:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return gc.run_study(folder / "study.toml", progress=False)


TWO = """
[data]
frame = "users.parquet"

[[answer]]
name = "Push"
iv = { outcome = "gmv", treatment = "delivered", instrument = "sent" }

[[answer]]
name = "Tier"
frame = "users.parquet"
threshold = { outcome = "gmv", score = "spent", cutoff = 300 }
"""


def test_each_gives_what_the_verb_gives(folder: Path, tmp_path: Path) -> None:
    found = study(folder, TWO.replace('frame = "users.parquet"\nthreshold', "threshold"))
    users = pd.read_parquet(folder / "users.parquet")
    push = gc.iv(users, treatment="delivered", instrument="sent")
    tier = gc.threshold(users, "gmv", "spent", 300)
    assert found.answers["Push"].estimate == push.estimate and found.answers["Push"].std_error == push.std_error
    assert found.answers["Tier"].estimate == tier.estimate
    assert set(found.to_frame()["answer"]) == {"Push", "Tier"}
    assert found.write(tmp_path / "out").exists()


def test_orders_come_as_a_frame(folder: Path) -> None:
    rng = np.random.default_rng(1)
    wish = np.exp(rng.normal(4.9, 0.7, 6000))
    up = (wish >= 250) & (wish < 300) & (rng.random(6000) < 0.5)
    orders = pd.DataFrame({"basket": np.where(up, 303.0, wish)})
    orders.to_parquet(folder / "orders.parquet")
    text = '[[answer]]\nname = "Coupon"\nframe = "orders.parquet"\n'
    text += 'bunching = { basket = "basket", cutoff = 300, discount = 40, window = [240, 330], reps = 99 }\n'
    text += 'money = { cost = 100, cost_is = "other" }\n'
    found = study(folder, text)
    alone = gc.bunching(orders, "basket", 300, discount=40, window=(240, 330), reps=99)
    assert found.answers["Coupon"].estimate == alone.estimate


def test_answers_may_bring_their_own_tables_and_be_put_side_by_side(folder: Path, tmp_path: Path) -> None:
    text = TWO.split("[[answer]]", 1)[1].replace('"Push"', '"Push"\nframe = "users.parquet"')
    beside = '\n[[answer]]\nname = "Both"\ncombine = { answers = ["Push", "Tier"], how = "triangulate" }\n'
    found = study(folder, "[[answer]]" + text + beside)
    assert list(found.answers) == ["Push", "Tier"] and list(found.compared) == ["Both"]
    assert found.compared["Both"].to_frame()["design"].tolist() == ["Push", "Tier"]
    assert "Both" in found.summary()
    page = found.write(tmp_path / "out").read_text(encoding="utf-8")
    assert "Both" in page
    again = beside.replace('"Both"', '"More"').replace('["Push", "Tier"]', '["Push", "Both"]')
    with pytest.raises(gc.InputError, match="'Both' stands side by side itself"):
        study(folder, "[[answer]]" + text + beside + again)


def test_money_of_what_has_none_is_refused(folder: Path) -> None:
    with pytest.raises(gc.DesignError, match=r"answer 'Tier'.*units at spent = 300"):
        study(
            folder,
            TWO.replace('frame = "users.parquet"\nthreshold', 'money = { cost = 1, cost_is = "other" }\nthreshold'),
        )


def test_links_are_a_file(folder: Path, tmp_path: Path) -> None:
    users = pd.read_parquet(folder / "users.parquet").assign(
        user=range(2000), sent=np.random.default_rng(1).integers(0, 2, 2000)
    )
    users.to_parquet(tmp_path / "users.parquet")
    links = pd.DataFrame({"a": range(1999), "b": range(1, 2000)})
    links.to_csv(tmp_path / "friends.csv", index=False)
    found = study(
        tmp_path,
        '[data]\nframe = "users.parquet"\n[[answer]]\nname = "Friends"\n[answer.spillover]\noutcome = "gmv"\n'
        'treatment = "sent"\nunit = "user"\nedges = "friends.csv"\nprobability = 0.5\nreps = 99\n',
    )
    assert (
        found.answers["Friends"].estimate == gc.spillover(users, "gmv", "sent", "user", links, probability=0.5).estimate
    )


def test_weeks_are_pooled(folder: Path, tmp_path: Path) -> None:
    users = pd.read_parquet(folder / "users.parquet")
    text = ""
    for week in (1, 2):
        users[week * 1000 - 1000 : week * 1000].to_parquet(tmp_path / f"week{week}.parquet")
        text += f'[[answer]]\nname = "week {week}"\nframe = "week{week}.parquet"\n'
        text += '[answer.iv]\noutcome = "gmv"\ntreatment = "delivered"\ninstrument = "sent"\n'
    found = study(tmp_path, text + '[[answer]]\nname = "both"\ncombine = { answers = ["week 1", "week 2"] }\n')
    two = [gc.iv(users[k : k + 1000], treatment="delivered", instrument="sent") for k in (0, 1000)]
    assert found.answers["both"].estimate == gc.combine({"week 1": two[0], "week 2": two[1]}).estimate


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('frame = "users.parquet"\nthreshold', 'frame = "users.parquet"\npanel = {}\nthreshold', "exactly one table"),
        ("cutoff = 300", "cut = 300", "threshold has no option 'cut'.*cutoff"),
        ("iv = {", "ivy = {", "unknown key 'ivy'"),
        ("threshold = {", "also = ['orders']\nthreshold = {", "also=, which is for roll-outs"),
        ("threshold = {", 'where = { a = "b" }\nthreshold = {', "about raw logs"),
        ('name = "Tier"\n', 'name = "Tier"\ncombine = { answers = ["Push"] }\n', "both combine and threshold"),
    ],
)
def test_wrong_files_are_refused_in_words(folder: Path, old: str, new: str, message: str) -> None:
    text = TWO.replace('[data]\nframe = "users.parquet"\n', "").replace('"Push"', '"Push"\nframe = "users.parquet"')
    assert old in text
    with pytest.raises(gc.InputError, match=message):
        study(folder, text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{ how = 'pool' }", "combines no answers"),
        ('{ answers = ["Push", "Tire"] }', "combines 'Tire'.*'Push'"),
        ('{ answers = ["Push"] }', "1 study"),
    ],
)
def test_what_is_combined_stands_above(folder: Path, options: str, message: str) -> None:
    with pytest.raises(gc.InputError, match=message):
        study(folder, TWO.split('\n[[answer]]\nname = "Tier"')[0] + f'\n[[answer]]\nname = "C"\ncombine = {options}\n')


def test_tables_from_logs_are_those_that_the_verb_can_take(tmp_path: Path) -> None:
    pd.DataFrame({"user": ["a"], "time": ["2025-03-01"], "gmv": [1.0]}).to_parquet(tmp_path / "orders.parquet")
    text = '[data]\norders = "orders.parquet"\n[[answer]]\nname = "x"\npanel = {}\niv = { treatment = "t" }\n'
    with pytest.raises(gc.InputError, match=r"is iv, which cannot take a table of panel.*users"):
        study(tmp_path, text)
    text = text.replace("panel = {}", "users = {}").replace('iv = { treatment = "t" }', 'bunching = { basket = "gmv" }')
    with pytest.raises(gc.InputError, match=r"is bunching, which cannot take a table of users\. Write frame = "):
        study(tmp_path, text)


@pytest.mark.parametrize("name", list(PLAIN))
def test_the_table_of_verbs_is_true(name: str) -> None:
    verb = load(name)
    assert verb is getattr(gc, name)
    assert set(PLAIN[name].files) <= set(signature(verb).parameters)
    assert set(PLAIN[name].makers) <= {"panel", "users", "stack"}


def test_the_history_of_surrogates_is_a_file(folder: Path) -> None:
    from surrogate_data import COLUMNS, tables

    test, past = tables(0, 200, 300)
    test.to_parquet(folder / "test.parquet")
    past.to_parquet(folder / "past.parquet")
    text = '[[answer]]\nname = "In 90 days"\nframe = "test.parquet"\n'
    text += 'surrogate = { history = "past.parquet", arm = "arm", surrogates = ["visits", "gmv_14d"] }\n'
    found = study(folder, text)
    alone = gc.surrogate(test, past, surrogates=COLUMNS)
    assert found.answers["In 90 days"].estimate == pytest.approx(alone.estimate, rel=1e-12)


def test_one_series_from_a_frame_and_from_logs(folder: Path) -> None:
    market = gc.simulate.world("D17", seed=1)
    market.table().to_parquet(folder / "days.parquet")
    asked = 'before_after = { start = "2026-11-02", unit = "unit", controls = ["control"], promotions_shared = true }'
    found = study(
        folder, f'[data]\nframe = "days.parquet"\n[[answer]]\nname = "Tool"\n{asked}\nmoney = {{ margin = 0.5 }}\n'
    )
    right = gc.before_after(market.table(), **market.design.call)
    assert found.answers["Tool"].estimate == right.estimate and "Tool" in found.summary()
    assert found.answers["Tool"].audit.credible
    assert found.money["Tool"].estimate == right.incremental_gmv(margin=0.5).estimate
