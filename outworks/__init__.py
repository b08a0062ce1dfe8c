"""Outworks: lines of defense outside the model, action on the accounts that misuse it, and the worth of each line measured."""

__version__ = "0.1.0"
