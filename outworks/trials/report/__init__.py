"""Report: a run as a table in the terminal, and as one page that opens without a network."""

from outworks.trials.report.page import page
from outworks.trials.report.summary import Summary, summary
from outworks.trials.report.terminal import show

__all__ = ["Summary", "page", "show", "summary"]
