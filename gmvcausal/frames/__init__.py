"""Any input to typed columns: the rules on dtype, missing values and time zones, in one place for every verb."""
