"""The audit: every check that bears on the identifying assumption, passed, warned, failed or not run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmvcausal.errors import InputError
from gmvcausal.frames.params import one_of

if TYPE_CHECKING:
    import pandas as pd

STATUSES = ("passed", "warned", "failed", "not_run")


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes
    ----------
    name : str
        Published name, for example ``"pre_trend"``.
    status : {"passed", "warned", "failed", "not_run"}
    message : str
        What was found, in one plain sentence with its numbers.
    value, threshold : float or None
        The number looked at, and the bound it is held against.
    remedy : str
        What to do where the check did not pass.
    """

    name: str
    status: str
    message: str
    value: float | None = None
    threshold: float | None = None
    remedy: str = ""

    def __post_init__(self) -> None:
        one_of("status", self.status, STATUSES)


@dataclass(frozen=True)
class Audit:
    """The checks of one result, worst first.

    Attributes
    ----------
    checks : tuple of Check

    Examples
    --------
    >>> audit = Audit((Check("pre_trend", "failed", "the leads are not zero", .001, .01),))
    >>> audit.credible
    False
    """

    checks: tuple[Check, ...]

    def __post_init__(self) -> None:
        order = {s: i for i, s in enumerate(("failed", "warned", "passed", "not_run"))}
        object.__setattr__(self, "checks", tuple(sorted(self.checks, key=lambda c: order[c.status])))

    @property
    def credible(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The failed checks."""
        return tuple(c for c in self.checks if c.status == "failed")

    @property
    def warned(self) -> tuple[Check, ...]:
        """The checks that warned."""
        return tuple(c for c in self.checks if c.status == "warned")

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __contains__(self, name: object) -> bool:
        return any(c.name == name for c in self.checks)

    def __getitem__(self, name: str) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        known = ", ".join(c.name for c in self.checks)
        raise InputError(f"the audit has no check called {name!r}", remedy=f"name one of {known}")

    def to_frame(self) -> pd.DataFrame:
        """One row per check: name, status, value, threshold, message, remedy."""
        import pandas as pd

        columns = ["name", "status", "value", "threshold", "message", "remedy"]
        frame = pd.DataFrame([[getattr(c, k) for k in columns] for c in self.checks], columns=columns)
        return frame.astype({"value": float, "threshold": float})


def audit_with(own: Sequence[Check], facts: Mapping[str, Any]) -> Audit:
    """A verb's own checks, and those that `Logs` or `match` wrote onto its frame, unless the name is taken."""
    names = {check.name for check in own}
    written = [_written(found) for found in facts.get("checks", []) if found["name"] not in names]
    return Audit((*own, *written))


def _written(found: Mapping[str, Any]) -> Check:
    value, threshold = (
        float(v) if isinstance(v := found.get(k), int | float) else None for k in ("value", "threshold")
    )
    name, status, message = (str(found[k]) for k in ("name", "status", "message"))
    return Check(name, status, message, value, threshold, str(found.get("remedy", "")))
