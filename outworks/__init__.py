"""Outworks: lines of defense outside the model, action on misusing accounts, and the worth of each line measured."""

__version__ = "0.1.0"
