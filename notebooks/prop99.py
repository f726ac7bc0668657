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
# # One treated state: Proposition 99
#
# In 1989 California put 25 cents on every pack of cigarettes. How much less was smoked because of it? One state was
# treated, 38 were not: the same shape as one livestream room with a new host beside fifty others.
#
# The data are annual packs per head, 1970 to 2000, as in Abadie, Diamond and Hainmueller (2010) and in the R package
# `synthdid`. Set `GMVCAUSAL_DATA` to the folder that holds `california_prop99.csv`.

# %%
import pandas as pd

import gmvcausal as gc

smoking = gc.datasets.prop99()
ROLES = {"outcome": "PacksPerCapita", "unit": "State", "time": "Year", "treated": "treated"}
smoking.tail(3)

# %% [markdown]
# ## Three answers
#
# Plain difference-in-differences takes all states to move in parallel. They did not: Californians had begun to smoke
# less before.

# %%
plain = gc.did(smoking, estimator="two_by_two", **ROLES)
plain

# %% [markdown]
# A synthetic control weighs the other states until they follow California up to 1988.

# %%
control = gc.did(smoking, estimator="synthetic_control", **ROLES)
control

# %%
control.weights()

# %%
control.plot("synthetic")

# %% [markdown]
# Synthetic difference-in-differences weighs states *and* years, and compares changes.

# %%
both = gc.did(smoking, estimator="synthetic_did", **ROLES)
both

# %%
both.weights().query("of == 'time'")

# %% [markdown]
# ## Is it chance?
#
# One treated state has no standard error. Instead every other state takes its turn in California's place. California
# ranks third of 39 by the ratio of the gaps after 1989 to those before, not first: by the synthetic control alone,
# p = .08. By synthetic difference-in-differences it ranks first.

# %%
control.plot("placebo")

# %%
control.placebos().sort_values("rank").head(5)

# %%
answers = {
    "two by two": plain,
    "synthetic control": control,
    "augmented": gc.did(smoking, estimator="augmented_synthetic_control", **ROLES),
    "synthetic DiD": both,
}
rows = [[name, r.estimate, *r.conf_int(), r.p_value, r.audit.credible] for name, r in answers.items()]
pd.DataFrame(rows, columns=["estimator", "packs per head", "low", "high", "p", "audit passed"]).round(3)

# %% [markdown]
# Published: -27.35, -19.5 (outcomes only) and -15.60. The interval of the paper for the last, -15.6 plus or minus
# 1.96 x 8.4, takes all states to vary alike; ours measures each by its own past.
