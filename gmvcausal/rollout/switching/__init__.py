"""Tactics that switch on and off."""
