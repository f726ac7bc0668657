"""Others' treatment through a network, or through one's group: direct, spillover and total effects (`gc.spillover`)."""
