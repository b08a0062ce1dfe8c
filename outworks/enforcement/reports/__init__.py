"""Reports: what happened, counted, for pages and for the public."""
