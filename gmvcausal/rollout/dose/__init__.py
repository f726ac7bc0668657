"""Coupons of several face values: effects by dose, and what one more unit of dose does."""
