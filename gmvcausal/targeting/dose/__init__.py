"""A treatment by amounts: the effect of one unit more, on average and for each user."""
