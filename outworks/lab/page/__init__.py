"""The page: what the lab measured, as one HTML file and as tables for the terminal."""

from outworks.lab.page.document import document
from outworks.lab.page.report import Report, Sheet, report, sheets, told
from outworks.lab.page.terminal import show

__all__ = ["Report", "Sheet", "document", "report", "sheets", "show", "told"]
