"""Safe to publish: pseudonyms in place of ids, a search for what names people, and no small groups in tables.

`pseudonyms` replaces ids by keyed codes, the same in every table, so that joins survive. `scan` finds columns that hold
phone numbers, identity cards and their like. `suppress` hides the counts of groups of fewer than ten people, and as
many others as it takes that no hidden count can be worked out from the totals.
"""

from __future__ import annotations

from gmvcausal.logs.privacy.cells import suppress
from gmvcausal.logs.privacy.found import Scan
from gmvcausal.logs.privacy.keyed import pseudonyms
from gmvcausal.logs.privacy.look import scan
from gmvcausal.stats.small_cells import MIN_CELL

__all__ = ["MIN_CELL", "Scan", "pseudonyms", "scan", "suppress"]
