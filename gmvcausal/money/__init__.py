"""From an effect to incremental GMV, refunds, cost, profit and return."""

from gmvcausal.money.incremental import MoneyResult, incremental_gmv

__all__ = ["MoneyResult", "incremental_gmv"]
