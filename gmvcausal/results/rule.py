"""One rule of an audit: what a check looks at, and from where on it warns or fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gmvcausal.results.audit import Check


@dataclass(frozen=True)
class Rule:
    """One check's rule.

    Attributes
    ----------
    look : str
        What is looked at.
    warn, fail : float or None
        Thresholds; None where the number alone never warns (fails).
    small_is_bad : bool
        Whether values below the threshold are the bad ones (p-values, counts); else values above it.
    more_warn, more_fail : str
        What belongs to the condition besides the number.
    """

    look: str
    warn: float | None = None
    fail: float | None = None
    small_is_bad: bool = False
    more_warn: str = ""
    more_fail: str = ""

    def status(self, value: float) -> str:
        """ "passed", "warned" or "failed" by the number alone."""
        for name, bound in (("failed", self.fail), ("warned", self.warn)):
            if bound is not None and (value < bound if self.small_is_bad else value > bound):
                return name
        return "passed"

    def words(self, bound: float | None, more: str) -> str:
        """The condition as text."""
        if bound is None:
            return more or "never"
        return f"{'<' if self.small_is_bad else '>'} {bound:g}{more}"

    @property
    def bound(self) -> float | None:
        """The threshold to print beside the value: that of failing, else that of warning."""
        return self.fail if self.fail is not None else self.warn


class Rules(dict[str, Rule]):
    """The rules of one design, by the name of the check."""

    def judge(self, name: str, value: float) -> str:
        """Status of the check `name` at `value`."""
        return self[name].status(value)

    def bound(self, name: str) -> float | None:
        """The threshold to print beside the value."""
        return self[name].bound

    def check(self, name: str, value: float, message: str, remedy: str = "", *, status: str | None = None) -> Check:
        """The check `name` at `value`; `status` where more than the number decides. Passed checks need no remedy.

        Examples
        --------
        >>> rules = Rules({"overlap": Rule("share of rows off support", 0.01, 0.1)})
        >>> rules.check("overlap", 0.02, "2 % of rows", "read the overlap effect").status
        'warned'
        """
        found = self.judge(name, value) if status is None else status
        return Check(name, found, message, float(value), self.bound(name), "" if found == "passed" else remedy)


def table_of(rules: Mapping[str, Rule]) -> dict[str, tuple[str, str, str]]:
    """Name of the check -> what is looked at, warned when, failed when; as the documentation prints it."""
    return {name: (r.look, r.words(r.warn, r.more_warn), r.words(r.fail, r.more_fail)) for name, r in rules.items()}
