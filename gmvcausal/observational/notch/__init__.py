"""Thresholds that shoppers choose: baskets topped up to reach "300 less 50", read from their pile (bunching)."""
