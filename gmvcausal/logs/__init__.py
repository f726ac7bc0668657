"""Raw orders, exposures, users and rooms to one row per unit, or one row per unit and period."""

from gmvcausal.logs.logs import Logs

__all__ = ["Logs"]
