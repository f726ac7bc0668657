"""Who to treat: heterogeneous effects of a tactic, and what treating by them is worth."""
