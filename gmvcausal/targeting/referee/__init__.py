"""What a referee asks of a fitted model."""
