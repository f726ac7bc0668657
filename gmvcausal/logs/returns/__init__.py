"""Who orders again, and when: repurchase and retention."""
