"""Inference by draws: bootstrap and permuted arms."""
