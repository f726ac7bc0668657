"""An instrument moved who was treated: two-stage least squares, LIML, Anderson-Rubin sets (`gc.iv`)."""
