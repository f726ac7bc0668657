# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # More orders, no more revenue
#
# Two real tests, drawn by lot. In one an e-mail brings people in, and revenue follows. In the other a coupon brings
# more orders, and revenue does not follow. A test that looks at orders alone calls both a success.
#
# The data may not be shipped with the library. `gc.datasets.hillstrom(path)` and `gc.datasets.artea(path)` read the
# published files; without a path they look into the folder that the environment variable `GMVCAUSAL_DATA` names.

# %%
from pathlib import Path

import gmvcausal as gc

mails = gc.datasets.hillstrom()
print(mails["segment"].value_counts().to_string())

# %% [markdown]
# ## Two e-mails and none
#
# 64,000 customers of a shop: a third got an e-mail about men's clothes, a third one about women's, a third none. Did
# they visit, buy, and how much did they spend in the two weeks after? Fewer than one in a hundred bought anything.

# %%
hillstrom = gc.ab_test(
    mails,
    arm="segment",
    control="No E-Mail",
    metrics=[gc.Mean("spend"), gc.Proportion("visit"), gc.Proportion("conversion")],
)
hillstrom

# %% [markdown]
# The lot kept its promise: the arms have the sizes that they should have (p = .90). Both e-mails raised visits,
# purchases and spend. Spend is zero for 99 customers out of 100, so a capped row stands beside the plain one; here both
# say the same, for the arms are of one size and their tails take each other away.

# %%
hillstrom.plot("metrics")

# %% [markdown]
# ### Where did it come from?
#
# Spend per customer is the share that visits × the share of visitors that buys × what an order is worth. The log-lifts
# of these add up to that of spend.

# %%
taken_apart = gc.ab_test(
    mails,
    arm="segment",
    control="No E-Mail",
    metrics=gc.Gmv(gmv="spend", orders="conversion", visits="visit"),
)
taken_apart.plot("waterfall")

# %%
taken_apart.contributions().round(3)

# %% [markdown]
# Mostly reach: the e-mails brought people to the shop. Once there, they bought baskets like everybody else's.
#
# ### Would covariates have helped?
#
# Hardly: what a customer spent last year says next to nothing about whether these two weeks bring a purchase.

# %%
before = ["recency", "history", "mens", "womens", "newbie", "zip_code", "channel"]
adjusted = gc.ab_test(
    mails, arm="segment", control="No E-Mail", metrics=[gc.Mean(m, pre=before, cap=None) for m in ("spend", "visit")]
)
adjusted.to_frame()[["term", "estimate", "std_error", "variance_reduction"]].round(4)

# %% [markdown]
# ## A coupon
#
# Artea, a shop of a teaching case: 5,000 customers, half of them with a coupon.

# %%
shop = gc.datasets.artea()
shop["bought"] = shop["trans_after"] > 0
artea = gc.ab_test(
    shop,
    arm="test_coupon",
    metrics=[gc.Mean("revenue_after", cap=None), "trans_after", gc.Proportion("bought")],
)
artea

# %% [markdown]
# Orders rise from .126 to .152 per customer (p = .027). Revenue falls from 7.78 to 7.54, which is within chance.
# Somebody who reports orders has a success; somebody who pays for the coupons has not.

# %%
factors = gc.ab_test(shop, arm="test_coupon", metrics=gc.Gmv(gmv="revenue_after", orders="trans_after"))
figure = factors.plot("waterfall")
figure

# %% [markdown]
# More customers buy, and an order is worth a fifth less: the coupon is taken off every order, also off those that would
# have been placed without it. What conversion gains, order value gives back.
#
# Sent to 2,502 customers, with 500 for the sending and a margin of 40 % (both made up), did it pay?

# %%
money = artea.incremental_gmv(gmv_is="paid", margin=0.4, cost=500, cost_is="other")
money.to_frame()[["term", "estimate", "conf_low", "conf_high"]].round(1)

# %% [markdown]
# Nobody knows: the interval holds a loss as well as a profit. That is not "no effect". How many customers would show a
# lift of five per cent?

# %%
control = shop.loc[shop["test_coupon"] == 0, "revenue_after"]
plan = gc.sample_size(metric="mean", mean=control.mean(), sd=control.std(), lift=0.05)
plan

# %%
plan.plot()

# %% [markdown]
# ## The chapter

# %%
FOLDER = Path("hillstrom_and_artea")
FOLDER.mkdir(exist_ok=True)
gc.report(
    {
        "Coupon": artea,
        "Coupon: factors": factors,
        "E-mails": hillstrom,
        "E-mails: factors": taken_apart,
        "Next test": plan,
    },
    FOLDER / "chapter.docx",
    title="More orders, no more revenue",
    question="Did the coupon and the e-mails raise revenue?",
)
