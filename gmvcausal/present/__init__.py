"""Words, tables, figures and report pages. Every sentence is generated from the numbers of a result."""
