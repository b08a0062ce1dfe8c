"""THE list: every page and action of the console, each with the operation that it needs."""

from collections.abc import Sequence

from outworks.console.pages import (
    accounts,
    appeals,
    audit,
    bulk,
    case,
    fingerprints,
    numbers,
    playground,
    queues,
    reviewers,
    rules,
    settings,
    signin,
)
from outworks.console.web import Page

PAGES: Sequence[Page] = (
    *signin.PAGES,
    *queues.PAGES,
    *case.PAGES,
    *appeals.PAGES,
    *accounts.PAGES,
    *bulk.PAGES,
    *rules.PAGES,
    *fingerprints.PAGES,
    *numbers.PAGES,
    *audit.PAGES,
    *reviewers.PAGES,
    *settings.PAGES,
    *playground.PAGES,
)
