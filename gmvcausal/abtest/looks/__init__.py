"""Tests that are looked at while they run."""
