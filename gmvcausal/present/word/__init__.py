"""Word: three-line tables, and chapters of them."""
