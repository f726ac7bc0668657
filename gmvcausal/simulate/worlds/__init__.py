"""The named worlds D1 to D18: small markets, each made to show what one design can and cannot do."""
