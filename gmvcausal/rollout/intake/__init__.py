"""One reading of the data: columns in, a validated panel out."""
