"""Views: what a text says under its disguises; every view leads back to the original's characters."""

from outworks.detectors.views.reading import Reading, is_plain, read, suspects
from outworks.detectors.views.view import Edit, Stretch, View, spliced

__all__ = ["Edit", "Reading", "Stretch", "View", "is_plain", "read", "spliced", "suspects"]
