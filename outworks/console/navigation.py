"""Navigation: where each role can go from any page."""

from collections.abc import Sequence

import msgspec

from outworks.console.web import Ask
from outworks.enforcement.desk.roles import Operation


class Item(msgspec.Struct, frozen=True):
    """One entry. `key` after `g` leads there."""

    says: str
    path: str
    needs: Operation
    key: str = ""
    count: int = 0


class Group(msgspec.Struct, frozen=True):
    """Entries that belong together."""

    name: str
    items: Sequence[Item]


GROUPS: Sequence[Group] = (
    Group(
        "Review",
        (
            Item("Queues", "/", Operation.SEE_CASES, "q"),
            Item("Appeals", "/appeals", Operation.SEE_CASES, "p"),
            Item("Sample", "/samples", Operation.LABEL, "s"),
        ),
    ),
    Group(
        "Look",
        (
            Item("Accounts", "/accounts", Operation.SEE_CASES, "a"),
            Item("Numbers", "/numbers", Operation.SEE_NUMBERS, "n"),
            Item("Audit", "/audit", Operation.SEE_AUDIT, "u"),
            Item("Reviewers", "/reviewers", Operation.SEE_AGREEMENT, "v"),
        ),
    ),
    Group(
        "Act",
        (
            Item("Rules", "/rules", Operation.SEE_RULES, "r"),
            Item("Fingerprints", "/fingerprints", Operation.SEE_FINGERPRINTS, "f"),
            Item("Bulk actions", "/bulk", Operation.BULK, "b"),
        ),
    ),
    Group("Try", (Item("Playground", "/playground", Operation.PLAYGROUND, "t"),)),
)


def groups(ask: Ask) -> list[Group]:
    """The entries that who asks may open."""
    shown = []
    for group in GROUPS:
        items = [item for item in group.items if ask.may(item.needs)]
        if items:
            shown.append(Group(group.name, items))
    return shown
