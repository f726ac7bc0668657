"""What every design shares: intervals, bands, tests, small-sample factors."""
