"""Views: what a text says under its disguises; every view leads back to the original's characters."""

from outworks.detectors.views.glance import is_plain, suspects
from outworks.detectors.views.reading import Reading, read
from outworks.detectors.views.view import Edit, Stretch, View, spliced

__all__ = ["Edit", "Reading", "Stretch", "View", "is_plain", "read", "spliced", "suspects"]
