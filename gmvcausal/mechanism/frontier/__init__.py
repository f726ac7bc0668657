"""How near units come to the best practice among them: data envelopment analysis."""
