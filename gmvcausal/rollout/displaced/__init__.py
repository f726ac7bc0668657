"""What a roll-out took from elsewhere: from later (or earlier) periods, and from neighbours."""
