"""A livestream market whose true effects are known: raw logs as a shop has them, and the truth beside them."""

from __future__ import annotations

from gmvcausal.simulate.dials import dial_table
from gmvcausal.simulate.make import livestream
from gmvcausal.simulate.market import Market, MarketLogs, Truth
from gmvcausal.simulate.parquet import write_livestream
from gmvcausal.simulate.worlds.registry import WORLDS, world

__all__ = ["WORLDS", "Market", "MarketLogs", "Truth", "dial_table", "livestream", "world", "write_livestream"]
