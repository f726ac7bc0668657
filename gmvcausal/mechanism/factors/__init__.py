"""A change in GMV taken apart into the factors whose product it is."""
