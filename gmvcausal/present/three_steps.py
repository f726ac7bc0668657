"""The three-step table of a mediation, as theses print it, with its known faults beneath."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmvcausal.present import digits
from gmvcausal.present.table import Table

if TYPE_CHECKING:
    from gmvcausal.mechanism.pathways.steps import ThreeSteps

FAULTS = {
    "en": (
        "Known faults of the steps: (1) a mediator is shown by the product of two slopes, not by three tests, of which "
        "the first (a total effect) may fail while something is mediated; (2) power is lost at every step; (3) step 3 "
        "holds the mediator fixed, which compares users who differ in whatever else moves it: no step looks for such "
        "causes, not even where chance drew the treatment; (4) 'full' and 'partial' mediation depend on sample size; "
        "(5) the slope of the mediator is taken as the same in both arms. Natural effects and the rho curve of the "
        "same result answer to these."
    ),
    "zh": (
        "逐步法的已知缺陷：（1）中介效应应由系数乘积 ab 检验，而非三步检验，总效应不显著时也可能存在中介；"
        "（2）每一步都损失检验力；（3）第三步控制中介变量，等于比较其他影响中介的因素不同的用户，"
        "即使处理是随机的，也没有一步检查这类混淆；（4）“完全中介”与“部分中介”取决于样本量；"
        "（5）假定中介的斜率在两组相同。请以同一结果中的自然效应与 ρ 曲线为准。"
    ),
}
_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "step": "step", "controls": "covariates", "yes": "yes",
        "no": "no", "fixed": "fixed effects", "n": "n", "r2": "R2", "error": "Standard errors in "
        "brackets ({kind}); {stars}. Sobel's z is ab over its standard error (delta method); the interval of ab is by "
        "{draws:,} draws of a and b from their normal distributions (MacKinnon 2004).", "interval": "interval of ab",
        "robust": "heteroskedasticity-robust, HC1", "cluster": "clustered by {name}", "unadjusted": "equal variances",
        "reading": "Flow of Wen and Ye (2014)",
        "none": "no mediation by {m} is shown: ab may be zero",
        "full": "mediation by {m}; a direct effect is not shown",
        "partial": "partial mediation by {m}, ab / c = {share}",
        "masked": "suppression: ab and c' have opposite signs, |ab / c'| = {share}",
    },
    "zh": {
        "step": "步骤", "controls": "控制变量", "yes": "是", "no": "否",
        "fixed": "固定效应", "n": "样本量", "r2": "R2",
        "error": "括号内为标准误（{kind}）；{stars}。Sobel z 为 ab 除以其标准误（delta 法）；"
        "ab 的区间由 a、b 的正态分布抽样 {draws:,} 次得到（MacKinnon 2004）。",
        "interval": "ab 的区间", "robust": "异方差稳健，HC1",
        "cluster": "按 {name} 聚类", "unadjusted": "同方差", "reading": "温忠麟、叶宝娟（2014）流程",
        "none": "经由 {m} 的中介效应不显著：ab 可能为零",
        "full": "经由 {m} 的中介效应显著，直接效应不显著（只有中介效应）",
        "partial": "经由 {m} 的部分中介效应，ab / c = {share}",
        "masked": "遮掩效应：ab 与 c' 异号，|ab / c'| = {share}",
    },
}  # fmt: skip


def table_of(one: ThreeSteps) -> Table:
    """Slopes with their standard errors, products of slopes, and the note."""
    from gmvcausal.mechanism.pathways.steps import DRAWS, p_of

    words, found, errors = _WORDS[one.language], one.regressions, one.errors
    rows: list[tuple[str, ...]] = []
    for name in (found[0].names[0], *(step.mediator for step in one.steps)):
        sizes, spreads = [], []
        for each in found:
            if name not in each.names:
                sizes.append("")
                spreads.append("")
                continue
            i = each.names.index(name)
            b, e = float(each.beta[i]), float(each.errors[errors][i])
            places = digits.beside(e, b, digits=3)
            sizes.append(digits.fixed(b, places) + digits.stars(p_of(b, e, each.df), one.style))
            spreads.append(f"({digits.fixed(e, places)})")
        rows += [(name, *sizes), ("", *spreads)]
    rows.append((words["controls"], *([words["yes" if one.covariates else "no"]] * len(found))))
    if one.fixed:
        rows.append((words["fixed"], *([", ".join(one.fixed)] * len(found))))
    rows.append((words["n"], *(f"{each.n:,}" for each in found)))
    rows.append((words["r2"], *(digits.fixed(each.r2, 3) for each in found)))
    blank, readings = [""] * (len(found) - 1), []
    for step in one.steps:
        made = step.product
        places = digits.beside(made.error, made.value, digits=3)
        span = f"[{digits.fixed(made.low, places)}, {digits.fixed(made.high, places)}]"
        rows.append((f"ab ({step.mediator})", *blank, digits.fixed(made.value, places)))
        rows.append(("Sobel z", *blank, digits.fixed(made.z, 2)))
        rows.append((words["interval"], *blank, span))
        readings.append(words[step.reading].format(m=step.mediator, share=digits.fixed(step.share, 3)))
    kind = words["cluster"].format(name=one.cluster) if one.cluster else words["robust"]
    kind = words["unadjusted"] if errors == "unadjusted" else kind
    heads = [f"({i + 1}) {each.outcome}" for i, each in enumerate(found)]
    colon, between, stop = (": ", "; ", ".") if one.language == "en" else ("：", "；", "。")
    told = f"{words['reading']}{colon}{between.join(readings)}{stop}"
    stars = digits.stars_words(one.style)
    note = [words["error"].format(kind=kind, stars=stars, draws=DRAWS), told, FAULTS[one.language]]
    return Table(one.report_title, (words["step"], *heads), tuple(rows), " ".join(note), one.language)
