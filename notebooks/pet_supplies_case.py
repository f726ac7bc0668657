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
# # 案例二：垂直宠物用品平台的社区与专家主播
# ### Case 2: communities and expert hosts of a pet-supplies platform
#
# 一家垂直的宠物用品平台不拼流量，拼专业：请兽医、训犬师做专家主播，办社区讲座和线下聚会，把用户分成专业、普通、新用户
# 三层来经营。复盘文章的说法和根据：
#
# | 说法 | 根据 |
# |---|---|
# | 专家主播 (expert hosts) 进驻后，直播间 GMV 明显上升 | 进驻后比进驻前 |
# | 专家靠互动 (interaction) 带货：讲得好，评论多，所以买得多 | 互动的观众买得多 |
# | 社区讲座与聚会 (lectures, gatherings) 使会员 GMV 大涨 | 入会后比入会前 |
# | 社区的价值在会员：会员多买了多少，社区就值多少 | 只算会员 |
# | 专业用户 (professional users) 贡献最大，应把资源都给他们 | 专业用户涨得最多 |
#
# 五句话，有的站得住，有的站不住。我们在一个模拟的平台上一句一句查，先用平台自己看得到的日志，最后对照真相。

# %%
from pathlib import Path

import numpy as np
import pandas as pd

import gmvcausal as gc

SEED = 618  # 看结果之前就定好；换成别的数字会怎样，文末有说明
# 订单多、没有巨单：运气成分小，道理不变
BUSY = {"visit_rate": 0.4, "conversion": 0.1, "tail_share": 0.0, "basket_sd": 0.5, "truth_draws": 2, "seed": SEED}

# %% [markdown]
# ## 一、专家主播：分批进驻
#
# 春天，60 间直播间里有 36 间分三批请来专家，间隔一周；其余 24 间没有请。谁先谁后与房间好坏无关。

# %%
ROOMS = {"users": 12_000, "rooms": 60, "several_rooms": (1.0, 0.0, 0.0)}  # 每人只跟一间：房间之间不抢人
hosts = gc.simulate.livestream(
    tactics="expert_host", expert_host=0.4, start="2026-03-02", days=63, adopt=(28, 35, 42), never=0.4, **ROOMS, **BUSY
)
weeks = hosts.table()
weeks.head(3)

# %% [markdown]
# 文章的算法：有专家的房间，进驻后的周均 GMV 减进驻前。

# %%
hosted = weeks[weeks["first_treated"].notna()]
before, after = hosted.groupby(hosted["period"] >= hosted["first_treated"])["gmv"].mean()
claimed_hosts = after - before
print(f"每房间每周 {claimed_hosts:+,.0f} 元，{after / before - 1:+.0%}")

# %% [markdown]
# 分批进驻是现成的设计：已进驻的和还没有专家的房间，同一周相比。`imputation` 用进驻前所有的周来估计“没有专家会怎样”。

# %%
rollout = gc.did(weeks, estimator="imputation")
rollout

# %%
rollout.plot("event_study", language="zh")

# %% [markdown]
# 进驻前各周在零附近，进驻后升上去并留在那里。这里没有大促，前后差和设计给出的数相差不远：**第一句站得住**。
# 前后对比不一定错，只是它自己不知道自己对不对。
#
# ## 二、专家靠什么：互动，还是观看？
#
# 一行是一次观看。把每次观看是否下单，与专家、互动放在一起，房间和日期各自的差别都先去掉 (`fixed=`)。

# %%
begins = hosts.logs.exposures.set_index("room")["start"]
visits = hosts.logs.visits.query("user % 3 == 0 and time >= '2026-03-16'").reset_index(
    drop=True
)  # 三分之一用户，足够了
visits["day"] = visits["time"].dt.floor("D")
visits["expert"] = (visits["time"] >= visits["room"].map(begins)).astype(int)
visits["log_watch"] = np.log(visits["watch_seconds"])
HOW = {"control": 0, "fixed": ["room", "day"], "cluster": "room", "reps": 199}
by_interaction = gc.mediate(visits, "ordered", "expert", ["interacted"], **HOW)
by_interaction.to_frame()[["term", "estimate", "conf_low", "conf_high", "share"]].round(4)

# %% [markdown]
# 经由互动的只是一小部分，其余“不知经由什么”。观众还多看了：观看时长在日志里，先看、后互动，按这个次序 (`ordered=`)
# 放进去。

# %%
both_ways = gc.mediate(visits, "ordered", "expert", ["log_watch", "interacted"], ordered=True, **HOW)
both_ways.to_frame()[["term", "estimate", "conf_low", "conf_high", "share"]].round(4)

# %%
figure = both_ways.plot(language="zh", labels={"log_watch": "观看时长", "interacted": "互动", "ordered": "下单"})
figure

# %% [markdown]
# 几乎全部经由**观看时长**：看得久的人自然互动也多，互动是观看的影子。“专家靠互动带货”**站不住**；专家靠的是让人看下去。
# （两个解释的总效应是同一个数，变的只是怎么分。分法依赖一个数据不能检验的假设：没有别的东西同时推动观看和下单。）
#
# ## 三、社区：会员，和会员的朋友
#
# 夏天，平台办讲座和聚会，抽签请四成用户入会，6 月 8 日开始。十天之后是 618。

# %%
SOCIAL = {"community": 0.4, "community_spill": 0.5, "friends": 4.0}
club = gc.simulate.livestream(
    tactics="community", users=12_000, rooms=40, days=42, start="2026-05-11", start_day=28,
    targeting="lot", treated_share=0.4, **SOCIAL, **BUSY,
)  # fmt: skip
users = club.table()
users["member"] = (users["arm"] == "community").astype(int)
members = users[users["member"] == 1]
claimed_club = members["gmv"].mean() / 2 - members["gmv_pre"].mean() / 4
print(f"每会员每周 {claimed_club:+.0f} 元，{claimed_club / (members['gmv_pre'].mean() / 4):+.0%}")

# %% [markdown]
# 这里面有 618。入会由抽签决定，非会员也过 618，所以拿会员和非会员比：

# %%
METRIC = {"control": "none", "metrics": [gc.Mean("gmv", pre="gmv_pre", cap=None)]}
METRIC["expected_ratio"] = {"community": 0.4, "none": 0.6}
first_look = gc.ab_test(users, **METRIC)
print(first_look.audit["sample_ratio"].message)
print(first_look.audit["sample_ratio"].remedy)

# %% [markdown]
# 审计先拦了一道：四成应是 4,800 人，实有 4,939 人，这样的偏差一百次抽签才碰上一次。照它说的做，先查有没有丢人：

# %%
drawn = club.logs.assignments.set_index("user")["treated"]
table = users.set_index("user")["member"]
print(
    f"抽签名单 {len(drawn):,} 人，表里 {len(table):,} 人；与名单不符的 {(drawn != table.reindex(drawn.index)).sum()} 人"
)

# %% [markdown]
# 一个不少，一个不错：名单本来就是这样抽出来的，是运气。查清了，才可以把界限放到千分之一，并把这件事写进论文；
# 若名单和表对不上，分析就到此为止。

# %%
METRIC["srm_alpha"] = 0.001
lot = gc.ab_test(users, **METRIC)
lot

# %% [markdown]
# 这个答案对“入会的人自己多买了多少”是对的，但还不是社区的全部：会员会把听来的讲给**没入会的朋友**。平台知道谁和谁是
# 朋友，`gc.spillover` 把两样分开：

# %%
links = club.logs.edges
NETWORK = {"ends": ("user", "friend"), "probability": 0.4, "covariates": ["gmv_pre"], "srm_alpha": 0.001}
spill = gc.spillover(users, "gmv", "member", "user", links, **NETWORK)
spill

# %%
spill.plot(language="zh")

# %% [markdown]
# `direct` 是自己入会的作用，`spillover` 是朋友全都入会的作用，与自己入会不相上下；`total` 是人人入会比无人入会。
# “只算会员”**站不住**，而且错在少算。
#
# ## 四、专业、普通、新用户
#
# 分层只能用入会**之前**的日志。入会前四周没有下过单的算新用户，下过三单以上的算专业用户，其余是普通用户。

# %%
users["segment"] = np.select([users["orders_pre"] == 0, users["orders_pre"] >= 3], ["新用户", "专业用户"], "普通用户")
by_segment = gc.ab_test(users, **METRIC).by("segment")
by_segment

# %%
by_segment.plot(language="zh")

# %%
by_segment.interaction()

# %% [markdown]
# 三层的增量确有差别（检验显著），以元计专业用户最大：这半句**站得住**。但“把资源都给他们”是另一句话。以各自的底数计：

# %%
base = users[users["member"] == 0].groupby("segment")["gmv"].mean()
gain = by_segment.to_frame().iloc[1:].assign(segment=lambda d: d["term"].str.split("= ").str[-1]).set_index("segment")
segments = pd.DataFrame({"人数": users["segment"].value_counts(), "不入会的GMV": base, "增量": gain["estimate"]})
segments["增幅"] = (segments["增量"] / segments["不入会的GMV"]).map("{:+.0%}".format)
segments["占总增量"] = (segments["增量"] * segments["人数"]).pipe(lambda x: x / x.sum()).map("{:.0%}".format)
segments.round(0)

# %% [markdown]
# 以**增幅**计，专业用户并不领先：他们增量大，是因为底数大；近一半的增量在另外两层。谁该进社区，要看增量减成本，
# 不看谁的 GMV 高。
#
# ## 五、揭晓真相

# %%
truth = club.truth
rows = {
    "专家进驻（元/房间·周）": (claimed_hosts, rollout, 1, hosts.truth["att_weeks"]),
    "入会：自己（元/会员·周）": (claimed_club, lot, 2, truth["att"] / 2),
}
answers = pd.DataFrame(
    {
        name: (said, r.estimate / per, *(end / per for end in r.conf_int()), true)
        for name, (said, r, per, true) in rows.items()
    },
    index=["文章", "设计", "从", "到", "真相"],
).T
everyone = spill.to_frame().set_index("term").loc["total"]
answers.loc["人人入会（元/用户·周）"] = [
    np.nan, everyone["estimate"] / 2, everyone["conf_low"] / 2, everyone["conf_high"] / 2, truth["everyone"] / 2
]  # fmt: skip
answers.round(1)

# %%
effects = users["user"].map(truth.users.set_index("user")["cate"])
segments.assign(真相=effects.groupby(users["segment"]).mean())[["增量", "真相"]].round(0)

# %% [markdown]
# 在这个市场里专家只作用于观看时长，直接作用是

# %%
hosts.truth["direct"], round(hosts.truth["mediated"])

# %% [markdown]
# 每房间每周，与中介分析说的一样：不经由观看和互动的是零。

# %%
verdicts = pd.DataFrame(
    [
        ("专家进驻后 GMV 上升", "站得住", "分批进驻的设计也这么说"),
        ("专家靠互动带货", "站不住", "几乎全部经由观看时长，互动只是跟着走"),
        ("入会使会员 GMV 大涨", f"有增量，只有文章的 {lot.estimate / 2 / claimed_club:.0%}", "其余是 618"),
        ("社区的价值在会员", "站不住，少算了", "会员的朋友也多买"),
        ("专业用户增量最大", "以元计站得住，以增幅计不然", "他们的底数大"),
    ],
    columns=["说法", "站得住吗", "为什么"],
)
verdicts

# %% [markdown]
# **换一个种子会怎样？** 数字会变，下面这些在 618 到 622 五个种子上都成立；每个区间大约二十次里有一次
# 不含真相。抽签偏到审计要拦的，五个里只有先定下的这一个。
# 会变的还有专家的前后差：种子 620 的房间在春天普遍走弱，它只剩设计的一半，设计的区间仍含真相。

# %%
ways = both_ways.to_frame().set_index("term")["estimate"]
assert rollout.conf_int()[0] > 0 and claimed_hosts > 0
assert ways["indirect:log_watch"] > 4 * abs(ways["indirect:interacted"])
assert claimed_club > lot.conf_int()[1] / 2 > lot.conf_int()[0] / 2 > 0
assert spill.to_frame().set_index("term").loc["spillover", "conf_low"] > 0
assert by_segment.interaction()["p_value"].iloc[0] < 0.05 and segments["增量"].idxmax() == "专业用户"

# %% [markdown]
# ## 六、写成一章

# %%
FOLDER = Path("pet_supplies_case")
FOLDER.mkdir(exist_ok=True)
gc.report(
    {
        "专家进驻": rollout,
        "专家：途径": both_ways,
        "社区：会员自己": lot,
        "社区：连同朋友": spill,
        "社区：各层用户": by_segment,
    },
    FOLDER / "chapter.docx",
    language="zh",
    title="垂直宠物用品平台的社区与专家主播",
    question="专家主播和社区各带来多少 GMV，靠什么，对谁？",
    labels={"expert": "专家", "log_watch": "观看时长", "interacted": "互动", "ordered": "下单", "member": "入会"}
    | {"community": "社区", "none": "对照", "segment": "用户层", "gmv_pre": "入会前 GMV"},
    extra=[("文章、设计与真相", answers.round(1).reset_index(names="举措")), ("哪些说法站得住", verdicts)],
)
