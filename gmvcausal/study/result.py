"""The answers of a study, what to believe among them, and the folder they are written to."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import InputError
from gmvcausal.study.file import Study

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.present.words import Headline
    from gmvcausal.results import Result
    from gmvcausal.results.shown import Shown
    from gmvcausal.study.targeting import Targeted

_COUNTS = ("orders", "buyers")  # columns of a panel that hold no money
_FACTS = ("sample_ratio", "pre_trend", "pre_trend_slope", "campaign_overlap")


@dataclass(frozen=True, eq=False)
class StudyResult:
    """The answers of a study.

    Attributes
    ----------
    study : Study
    answers : dict of str to Result
        In the order of the file.
    also : dict of str to dict of str to Result
        The same designs on further outcomes: answer -> outcome -> result.
    money : dict of str to Result
        Incremental GMV and profit, where the file asks for them.
    targeted : dict of str to Targeted
        Of models of uplift: `ranking`, `plan` and `value`, and the `users` with their effects.
    compared : dict of str to Triangulation
        Answers side by side (`combine` with how = "triangulate"), which give no estimate of their own.
    """

    study: Study
    answers: dict[str, Result]
    also: dict[str, dict[str, Result]] = field(default_factory=dict)
    money: dict[str, Result] = field(default_factory=dict)
    targeted: dict[str, Targeted] = field(default_factory=dict)
    compared: dict[str, Shown] = field(default_factory=dict)

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Names of the answers that are shown but never believed."""
        return tuple(a["name"] for a in self.study.answers if a.get("benchmark"))

    @cached_property
    def headline(self) -> Headline:
        """What to believe, in plain words: an effect, none found, or a refusal, and why not the others."""
        from gmvcausal.present import words

        return words.lead(self.answers, benchmarks=self.benchmarks, currency=self.study.currency)

    @property
    def refused(self) -> bool:
        """Whether no design passed its audit with an interval."""
        return self.headline.name is None

    def summary(self) -> str:
        """The headline and every answer with its estimate, as text in the study's language."""
        from gmvcausal.present import text

        about = self.study
        spoken: dict[str, Any] = {"language": about.language, "labels": about.labels}
        said = [text.study(about.title, about.question, self.headline, self.answers, about.currency, **spoken)]
        for name, found in self.targeted.items():
            said += ["", name, *found.about, *(one.summary() for one in found.shown)]
        for name, beside in self.compared.items():
            said += ["", name, beside.summary()]
        return "\n".join(said)

    def to_frame(self) -> pd.DataFrame:
        """All estimates of all answers under a column ``answer``; the rest as in every `to_frame()`."""
        import pandas as pd

        parts = {**self.answers}
        parts |= {f"{name}, {outcome}": r for name, more in self.also.items() for outcome, r in more.items()}
        parts |= {f"{name}, money": r for name, r in self.money.items()}
        frames = [r.to_frame().assign(answer=name) for name, r in parts.items()]
        for name, found in self.targeted.items():
            told = {"ranking": found.ranking, "value": found.value}
            frames += [one.to_frame().assign(answer=f"{name}, {what}") for what, one in told.items() if one is not None]
        frame = pd.concat(frames, ignore_index=True)
        return frame[["answer", *(c for c in frame.columns if c != "answer")]]

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write report.html, chapter.docx, answers.png, results.csv, audit.csv and manifest.json into `folder`.

        Report, chapter and figures are in the study's language. Of every answer by uplift also the users with their
        effects and arms, as CSV, and the figures of the ranking.

        Returns
        -------
        Path
            Of the report.
        """
        import pandas as pd

        from gmvcausal.present import figures, files, spreadsheet, translated
        from gmvcausal.present.chinese import say
        from gmvcausal.present.report import report

        out = Path(folder)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the folder {str(out)!r} cannot be made: {error.strerror}", remedy="name another with --out"
            ) from None
        marks: dict[str, Any] = {"benchmarks": self.benchmarks, "currency": self.study.currency}
        spoken: dict[str, Any] = {"language": self.study.language, "labels": self.study.labels}
        # gc.report prints the headings it is given as they are, and these are ours.
        about, kept = self.study, {name: name for name in self.answers} | dict(self.study.labels)
        evidence = [(say(heading, about.language, kept), content) for heading, content in self._evidence()]
        page, _ = (
            report(
                self.answers,
                out / name,
                beside=self._beside(),
                extra=evidence,
                title=self.study.title,
                question=self.study.question or None,
                **marks,
                **spoken,
            )
            for name in ("report.html", "chapter.docx")
        )
        picture = io.BytesIO()
        side_by_side = translated.in_language(figures.compare(self.answers, **marks), **spoken)
        side_by_side.savefig(picture, format="png", dpi=150, bbox_inches="tight")
        files.write(out / "answers.png", picture.getvalue())
        spreadsheet.to_csv(self.to_frame(), out / "results.csv")
        audits = [r.audit.to_frame().assign(answer=name) for name, r in self.answers.items()]
        spreadsheet.to_csv(pd.concat(audits, ignore_index=True), out / "audit.csv")
        manifests = {name: r.manifest.to_dict() for name, r in self.answers.items()}
        files.write(out / "manifest.json", json.dumps(manifests, indent=2, ensure_ascii=False))
        for name, found in self.targeted.items():
            stem = _file_name(name)
            spreadsheet.to_csv(found.users, out / f"{stem}-users.csv")
            for kind, curves in found.figures().items():
                picture = io.BytesIO()
                curves.draw(**spoken).savefig(picture, format="png", dpi=150, bbox_inches="tight")
                files.write(out / f"{stem}-{kind}.png", picture.getvalue())
        return page

    def _beside(self) -> list[str]:
        """What a referee wants next to the headline: the lot or the leads, overlap, weights, other outcomes."""
        from gmvcausal.present import digits

        name = self.headline.name
        if name is None:
            return []
        result = self.answers[name]
        audit = result.audit
        facts = [audit[c].message for c in _FACTS if c in audit]
        if hasattr(result, "by_stack") and result.manifest.options.get("estimator") == "stacked":
            weight = result.by_stack()["weight"]
            told = f"{len(weight)} campaigns, weighted by what each can tell"
            if weight.notna().all():  # of those on fewer than ten people it is not shown
                told += f": {digits.percent(float(weight.min()))} to {digits.percent(float(weight.max()))} each"
            facts.append(told)
        return facts + [self._other_outcome(outcome, r) for outcome, r in self.also.get(name, {}).items()]

    def _other_outcome(self, outcome: str, result: Result) -> str:
        from gmvcausal.present import phrases, words

        currency = "" if outcome in _COUNTS else self.study.currency
        size, span = (f(result, currency) for f in (phrases.estimate_words, phrases.interval_words))
        return f"on {outcome} the same design gives {size} ({span}): {words.VERDICTS[words.verdict(result)]}"

    def _evidence(self) -> list[tuple[str, Any]]:
        """Further tables: other outcomes, weights over campaigns, money."""
        from gmvcausal.present import phrases, words

        found: list[tuple[str, Any]] = []
        for name, more in self.also.items():
            lines = [phrases.sentence(self._other_outcome(outcome, r)) for outcome, r in more.items()]
            found.append((f"{name}: other outcomes", lines))
        for name, parts in self.targeted.items():
            if parts.about:
                found.append((f"{name}: who was kept apart", list(parts.about)))
            found += [(f"{name}: {one.report_title}", one) for one in parts.shown]
        found += [(f"{name}: {one.report_title}", one) for name, one in self.compared.items()]
        for name, result in self.answers.items():
            if hasattr(result, "by_stack") and result.manifest.options.get("estimator") == "stacked":
                found.append((f"{name}: weight of each campaign", result.by_stack()))
        for name, result in self.money.items():
            verdict = words.VERDICTS[words.verdict(result)]
            heading = f"{name}: money" + ("" if verdict in ("gain", "loss") else f" ({verdict})")
            found.append((heading, result.to_frame().drop(columns=["statistic", "n"])))
        return found


def _file_name(name: str) -> str:
    """The name of an answer as that of a file: letters and digits of any script, the rest as dashes."""
    return "-".join("".join(c if c.isalnum() else " " for c in name).split())[:60] or "answer"
