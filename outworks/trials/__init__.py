"""Trials: adversaries against targets, and tables of which line stops whom."""
