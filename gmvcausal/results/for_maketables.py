"""How other tools read a result: the attributes that the package maketables looks for (its plug-in protocol)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.results.audit import Audit
    from gmvcausal.results.estimates import Estimates
    from gmvcausal.results.manifest import Manifest

_LABELS = {"N": "n", "audit": "audit"}


class ReadByMaketables:
    """``maketables.ETable([r1, r2])`` takes results as it takes models of other packages; nothing of it is imported.

    A result whose audit failed has no p-values there, so that no star stands beside it, and its row "audit" says so.
    """

    estimates: Estimates
    manifest: Manifest

    if TYPE_CHECKING:

        @property
        def audit(self) -> Audit:
            """That of the result."""

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        """Rows by term: b, se, t, p, ci95l, ci95u; terms that occur twice carry their estimand."""
        import pandas as pd

        e = self.estimates
        twice = {term for term in e.term if e.term.count(term) > 1}
        names = [f"{t}, {what}" if t in twice else t for t, what in zip(e.term, e.estimand, strict=True)]
        error = e.std_error
        low, high = e.interval(0.95)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(error > 0, e.estimate / error, np.nan)
        p = e.p_value if self.audit.credible else np.full(len(names), np.nan)
        columns = {"b": e.estimate, "se": error, "t": t, "p": p, "ci95l": low, "ci95u": high}
        return pd.DataFrame(columns, index=pd.Index(names, name="Coefficient"))

    def __maketables_stat__(self, key: str) -> Any:
        """``"N"``, ``"audit"``, ``"estimand"``, ``"unit"``, ``"se_type"``; None for what a result does not know."""
        e, failed = self.estimates, [c.name for c in self.audit.failed]
        known: dict[str, Any] = {
            "N": e.n[0],
            "audit": f"failed: {', '.join(failed)}" if failed else "passed",
            "estimand": e.estimand[0],
            "unit": e.unit[0],
            "se_type": e.method or None,
        }
        return known.get(key)

    @property
    def __maketables_depvar__(self) -> str:
        """The outcome, or what the estimate is measured in."""
        options: Mapping[str, Any] = self.manifest.options
        outcome = options.get("outcome")
        return outcome if isinstance(outcome, str) else self.estimates.unit[0].rpartition(" per ")[0] or "outcome"

    @property
    def __maketables_vcov_info__(self) -> dict[str, Any]:
        """How standard errors are made, and by which column they are clustered."""
        cluster = self.manifest.options.get("cluster")
        return {"vcov_type": self.estimates.method, "clustervar": cluster if isinstance(cluster, str) else None}

    @property
    def __maketables_default_stat_keys__(self) -> list[str]:
        """What stands under the coefficients unless asked otherwise."""
        return list(_LABELS)

    @property
    def __maketables_stat_labels__(self) -> dict[str, str]:
        """How these rows are called."""
        return dict(_LABELS)
