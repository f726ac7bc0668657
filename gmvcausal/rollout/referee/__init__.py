"""What a referee asks of a result."""
