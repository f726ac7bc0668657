"""Roll-outs and panels: who was treated, and since when. The verb is `gmvcausal.did`."""
