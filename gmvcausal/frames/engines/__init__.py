"""Where statements run: one dialect of SQL (DuckDB's), executed as it stands or transpiled for Spark."""
