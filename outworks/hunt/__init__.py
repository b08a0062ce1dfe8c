"""Hunts: a new fingerprint, rule or detector run over the past, to find whom it would have found."""
