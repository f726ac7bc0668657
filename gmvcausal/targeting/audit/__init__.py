"""What speaks against the answer."""
