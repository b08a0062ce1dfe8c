"""Reviewers: who may sign in and in which role, folded from the ledger's `changed` events."""

import re
import threading
import time
from collections.abc import Iterator

import msgspec

from outworks.enforcement.desk.roles import Reviewer, Role
from outworks.event import Changed, Event
from outworks.ledger import Ledger, Reader

WHAT = "reviewer"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")


class Person(msgspec.Struct, frozen=True):
    """Somebody who may sign in, or could once."""

    name: str
    role: Role
    enabled: bool = True
    since: float = 0.0
    """Unix seconds."""

    @property
    def reviewer(self) -> Reviewer:
        """As the desk knows people."""
        return Reviewer(self.name, self.role)


class Reviewers:
    """Everybody who was ever added, as far as the ledger has been read; asking reads on."""

    def __init__(self, ledger: Reader) -> None:
        self._ledger = ledger
        self._seq = 0
        self._known: dict[str, Person] = {}
        self._turn = threading.Lock()

    def find(self, name: str) -> Person | None:
        """The reviewer of that name, whether enabled or not."""
        self._refresh()
        return self._known.get(name)

    def __iter__(self) -> Iterator[Person]:
        self._refresh()
        return iter(sorted(self._known.values(), key=lambda one: one.name))

    def _refresh(self) -> None:
        with self._turn:
            head = self._ledger.head().seq
            if head == self._seq:
                return
            for recorded in self._ledger.events(self._seq, kinds=("changed",)):
                body = recorded.event.body
                if isinstance(body, Changed) and body.what == WHAT:
                    self._apply(body, recorded.event.at)
                self._seq = recorded.seq
            self._seq = max(self._seq, head)

    def _apply(self, body: Changed, at: float) -> None:
        said = body.detail
        known = self._known.get(body.name)
        role = said.get("role")
        if said.get("op") == "add" and role in _ROLES:
            self._known[body.name] = Person(body.name, Role(role), since=at)
        elif known is not None and said.get("op") == "role" and role in _ROLES:
            self._known[body.name] = msgspec.structs.replace(known, role=Role(role))
        elif known is not None and said.get("op") in ("enable", "disable"):
            self._known[body.name] = msgspec.structs.replace(known, enabled=said["op"] == "enable")


_ROLES = frozenset(role.value for role in Role)


def add(ledger: Ledger, reviewers: Reviewers, name: str, role: Role, *, by: str) -> Person:
    """Let somebody in. Raises `ValueError` for a name that will not do, or that is taken."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"a reviewer's name is 1 to 100 letters, digits and . _ @ + -, and begins with a letter or digit; "
            f"{name[:100]!r} was given"
        )
    taken = next((one for one in reviewers if one.name.casefold() == name.casefold()), None)
    if taken is not None:
        raise ValueError(f"there is a reviewer {taken.name!r} already, as {taken.role.value}")
    _record(ledger, name, by, {"op": "add", "role": role.value})
    return Person(name, role, since=time.time())


def give_role(ledger: Ledger, reviewers: Reviewers, name: str, role: Role, *, by: str) -> None:
    """Give somebody another role. Raises as `switch`."""
    known = _known(reviewers, name)
    _check_last_admin(reviewers, known, stays=role is Role.ADMIN and known.enabled)
    _record(ledger, name, by, {"op": "role", "role": role.value})


def switch(ledger: Ledger, reviewers: Reviewers, name: str, *, enabled: bool, by: str) -> None:
    """Shut somebody out, or let him in again. Raises `LookupError` for somebody unknown, `ValueError` for the last
    admin, without whom nobody could let anybody in."""
    known = _known(reviewers, name)
    _check_last_admin(reviewers, known, stays=enabled)
    _record(ledger, name, by, {"op": "enable" if enabled else "disable"})


def _known(reviewers: Reviewers, name: str) -> Person:
    known = reviewers.find(name)
    if known is None:
        names = ", ".join(one.name for one in reviewers) or "none yet"
        raise LookupError(f"there is no reviewer {name!r}; known: {names}")
    return known


def _check_last_admin(reviewers: Reviewers, known: Person, *, stays: bool) -> None:
    admins = [one.name for one in reviewers if one.role is Role.ADMIN and one.enabled]
    if not stays and admins == [known.name]:
        raise ValueError(f"{known.name} is the only admin: make somebody else one first")


def _record(ledger: Ledger, name: str, by: str, detail: dict[str, str]) -> None:
    ledger.append_now([Event(body=Changed(what=WHAT, name=name, by=f"person:{by}", detail=detail), at=time.time())])
