"""Published or agreed numbers on real experiments; the figures stand in shared/oracles, with their options."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import gmvcausal as gc

CLOSE = {"rel": 1e-9}
# hillstrom.json: Welch, and Lin (2013) with HC2; control "No E-Mail".
# arm, metric: estimate, std_error, df, conf_low, conf_high, p_value
WELCH = {
    ("Mens E-Mail", "visit"): (
        0.07658956365153125, 0.0033858878117283653, 40593.688228635794, 0.06995314760976148, 0.083225979693301,
        1.3644511962742709e-112),
    ("Mens E-Mail", "conversion"): (
        0.006805006519615695, 0.0009208727857351216, 37486.66940455389, 0.005000070747732388, 0.008609942291499001,
        1.501815785154377e-13),
    ("Mens E-Mail", "spend"): (
        0.7698271558945368, 0.14524656024868676, 36671.15797736051, 0.4851397325684076, 1.0545145792206658,
        1.1638149682254773e-07),
    ("Womens E-Mail", "visit"): (
        0.045233106587052985, 0.003234462099090751, 41792.927706577066, 0.03889349376208028, 0.05157271941202569,
        2.4324477023127917e-44),
    ("Womens E-Mail", "conversion"): (
        0.003111057511085258, 0.0008226770775551195, 40913.7760649906, 0.0014985923661468032, 0.004723522656023713,
        0.00015602839508556396),
    ("Womens E-Mail", "spend"): (
        0.4244122159365967, 0.13033285852919116, 40064.88440653066, 0.16895678988377877, 0.6798676419894147,
        0.0011293971023632497),
}  # fmt: skip
LIN = {
    ("Mens E-Mail", "visit"): (0.07605954858670748, 0.0033357139640470272),
    ("Mens E-Mail", "spend"): (0.7668913937526588, 0.14506670341366035),
    ("Womens E-Mail", "visit"): (0.04540963304200004, 0.003188057575953419),
    ("Womens E-Mail", "spend"): (0.42465916820188343, 0.13022364241108528),
}
COVARIATES = ["recency", "history", "mens", "womens", "newbie", "zip_code", "channel"]


@pytest.fixture(scope="module")
def hillstrom(data_dir: Path) -> pd.DataFrame:
    return pd.read_csv(data_dir / "hillstrom.csv")


def test_hillstrom(hillstrom: pd.DataFrame) -> None:
    metrics = [gc.Mean("spend"), gc.Proportion("visit"), gc.Proportion("conversion")]
    result = gc.ab_test(hillstrom, arm="segment", control="No E-Mail", metrics=metrics)
    table = result.to_frame()
    table = table[~table["estimand"].str.contains("capped")].set_index(["arm", "metric"])
    for key, wanted in WELCH.items():
        found = table.loc[key, ["estimate", "std_error", "df", "conf_low", "conf_high", "p_value"]]
        assert tuple(found) == pytest.approx(wanted, **CLOSE), key
    assert table.loc[("Mens E-Mail", "spend"), "control_value"] == pytest.approx(0.6527893551112361, **CLOSE)
    assert result.estimate == table["estimate"].iloc[0]
    check = result.audit["sample_ratio"]
    assert check.status == "passed" and check.value == pytest.approx(0.9036929575604196, **CLOSE)


def test_hillstrom_adjusted(hillstrom: pd.DataFrame) -> None:
    metrics = [gc.Mean(m, pre=COVARIATES, cap=None) for m in ("spend", "visit")]
    result = gc.ab_test(hillstrom, arm="segment", control="No E-Mail", metrics=metrics)
    table = result.to_frame().set_index(["arm", "metric"])
    for key, wanted in LIN.items():
        assert tuple(table.loc[key, ["estimate", "std_error"]]) == pytest.approx(wanted, **CLOSE), key
    assert table["variance_reduction"].to_dict()[("Mens E-Mail", "spend")] == pytest.approx(0.002, abs=0.001)
    assert "gains next to nothing" in result.summary()


def test_artea(data_dir: Path) -> None:
    """artea.json: more orders, no more revenue."""
    data = pd.read_csv(data_dir / "artea-a_b-experiment.csv")
    result = gc.ab_test(data, arm="test_coupon", metrics=["trans_after", gc.Mean("revenue_after", cap=None)])
    table = result.to_frame().set_index("term")
    wanted = {
        "trans_after": (0.0261779367538795, 0.011859132079031847, 4924.089842223561, 0.02733155477957053),
        "revenue_after": (-0.24149507295684636, 0.6683941608529775, 4952.008142867167, 0.7178858403041481),
    }
    for term, numbers in wanted.items():
        assert tuple(table.loc[term, ["estimate", "std_error", "df", "p_value"]]) == pytest.approx(numbers, **CLOSE)
    bought = gc.ab_test(data.assign(bought=data["trans_after"] > 0), arm="test_coupon", metrics=gc.Proportion("bought"))
    assert (bought.estimate, bought.std_error) == pytest.approx((0.017015370889837372, 0.009035081323610916), **CLOSE)


def test_cookie_cats(data_dir: Path) -> None:
    """cookie_cats.json: the split is not what it should be (p .0086), and one player has 49,854 rounds."""
    data = pd.read_csv(data_dir / "cookie_cats.csv")
    result = gc.ab_test(
        data, arm="test_version", control="gate_30",
        metrics=[gc.Mean("sum_gamerounds"), gc.Proportion("retention_1"), gc.Proportion("retention_7")],
    )  # fmt: skip
    check = result.audit["sample_ratio"]
    assert check.status == "failed" and check.value == pytest.approx(0.008607987810836262, **CLOSE)
    assert not result.audit.credible and "No headline" in result.summary()
    table = result.to_frame().set_index("term")
    wanted = {
        "sum_gamerounds": (-1.157488453953249, 1.3072504173054773, 58595.481422574, 0.37592438409326223),
        "retention_1": (-0.005905169787341458, 0.0033099289864651797, 90155.11213255179, 0.07441443713953834),
        "retention_7": (-0.008201298315205913, 0.002592042757246972, 90079.82814000268, 0.0015565301810066521),
    }
    for term, numbers in wanted.items():
        assert tuple(table.loc[term, ["estimate", "std_error", "df", "p_value"]]) == pytest.approx(numbers, **CLOSE)
    assert result.audit["leverage"].status == "warned" and result.audit["leverage"].value > 0.7
    assert abs(table.loc["sum_gamerounds capped", "estimate"]) < 0.5
