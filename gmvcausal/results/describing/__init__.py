"""Tables that describe data before anything is estimated: what the columns are, and how they go together."""
