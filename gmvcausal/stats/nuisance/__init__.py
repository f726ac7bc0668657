"""What would have happened, and with what chance: cross-fitted predictions and the averages made of them."""
