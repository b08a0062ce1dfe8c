"""Detectors: what texts say, judged by small models that were trained on public data."""

from outworks.detectors.categories import BLOCKING, CATEGORIES, MODERATION, Category, Side
from outworks.detectors.detector import Detector, Located, Scores

__all__ = ["BLOCKING", "CATEGORIES", "MODERATION", "Category", "Detector", "Located", "Scores", "Side"]
