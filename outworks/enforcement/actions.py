"""Actions by people: act on an account, take an action back, and look an account up."""

import time
from collections.abc import Sequence

import msgspec

from outworks.action import Action, Standing
from outworks.duration import LONGEST
from outworks.enforcement.propose import action_id
from outworks.enforcement.standings import StandingTable
from outworks.enforcement.taken import Taken
from outworks.event import Acted, Event, Undone
from outworks.ledger.ledger import Ledger
from outworks.ledger.reader import Reader
from outworks.nearest import did_you_mean

_RECENT = 5000


class AccountStanding(msgspec.Struct, frozen=True):
    """An account and the action in force on it."""

    account: str
    action: Action


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an account."""

    account: str
    first_seen: float | None
    """Unix seconds; None where it never sent a request."""
    action: Action
    """The one in force; `GOOD` where there is none."""
    taken: tuple[Taken, ...]
    """Every action ever taken on it, in order; `Taken.state` says what became of each."""


def act(
    ledger: Ledger,
    account: str,
    standing: Standing,
    *,
    by: str,
    reason: str,
    policy: str = "",
    lasts: float | None = None,
    rate_per_minute: float | None = None,
    evidence: Sequence[int] = (),
    unseen: bool = False,
    now: float | None = None,
) -> Action:
    """Set an account's standing; GOOD reinstates it, whatever was in force. `by` is the person's name, `lasts` seconds.

    Raises ValueError for what does not fit together, and LookupError for an account that never sent a request, unless
    `unseen`.
    """
    check_act(standing, by, reason, lasts, rate_per_minute)
    if not unseen:
        _check_known(ledger, account)
    at = time.time() if now is None else now
    action = Action(
        id=action_id(),
        account=account,
        standing=standing,
        by=f"person:{by}",
        reason=reason,
        policy=policy,
        evidence=tuple(evidence),
        at=at,
        expires=None if lasts is None else at + lasts,
        rate_per_minute=rate_per_minute,
    )
    ledger.append_now([Event(body=Acted(action=action, notify=True), at=at, account=account)])
    return action


def undo(ledger: Ledger, action_id: str, *, by: str, reason: str, now: float | None = None) -> Action:
    """Take an action back: the account's standing is then what its other actions say. Returns that action.

    Raises LookupError for an unknown id, and ValueError where there is nothing to take back.
    """
    _check_signed(by, reason)
    table = _table(ledger)
    found = table.find(action_id)
    if found is None:
        raise LookupError(f"no action has the id {action_id!r}{did_you_mean(action_id, table.actions)}")
    if found.undone is not None:
        raise ValueError(f"{action_id} was already undone by {found.undone.by}: {found.undone.reason}")
    if found.action.shadow:
        raise ValueError(f"{action_id} was proposed in shadow by {found.action.by} and never in force")
    body = Undone(action=action_id, by=f"person:{by}", reason=reason, notify=True)
    at = time.time() if now is None else now
    ledger.append_now([Event(body=body, at=at, account=found.action.account)])
    return found.action


def standings(ledger: Reader, now: float) -> list[AccountStanding]:
    """Every account with an action in force, the strictest first."""
    table = _table(ledger)
    each = [AccountStanding(account, table.of(account, now)) for account in table]
    restricted = [one for one in each if one.action.standing is not Standing.GOOD]
    return sorted(restricted, key=lambda one: (-one.action.standing, one.account))


def account_record(ledger: Reader, account: str, now: float) -> AccountRecord:
    """What is known of an account. Raises LookupError where nothing is."""
    table = _table(ledger)
    if not table.taken(account):
        _check_known(ledger, account)
    return AccountRecord(
        account=account,
        first_seen=ledger.first_seen(account),
        action=table.of(account, now),
        taken=table.taken(account),
    )


def _table(ledger: Reader) -> StandingTable:
    table = StandingTable(ledger)
    table.refresh()
    return table


def _check_signed(by: str, reason: str) -> None:
    if not by.strip():
        raise ValueError("say who decides: an action without a name cannot be appealed")
    if not reason.strip():
        raise ValueError("give a reason: the account is told it")


def check_act(standing: Standing, by: str, reason: str, lasts: float | None, rate: float | None) -> None:
    """Raises ValueError for an action whose parts do not fit together."""
    _check_signed(by, reason)
    name = standing.name.lower()
    if standing in (Standing.WARNED, Standing.LIMITED, Standing.SUSPENDED) and lasts is None:
        raise ValueError(f'{name} needs an expiry, such as "12h" or "7d"; only a ban lasts for good')
    if standing is Standing.GOOD and lasts is not None:
        raise ValueError("a reinstatement has no expiry")
    if lasts is not None and not 0 < lasts <= LONGEST:
        raise ValueError(f"an expiry lies ahead, at most a thousand years: seconds greater than 0, not {lasts:g}")
    if standing is Standing.LIMITED and (rate is None or not 0 < rate < float("inf")):
        given = "none was given" if rate is None else f"not {rate:g}"
        raise ValueError(f"limited needs a rate of requests a minute, greater than 0; {given}")
    if standing is not Standing.LIMITED and rate is not None:
        raise ValueError(f"only limited has a rate; {name} does not")


def _check_known(ledger: Reader, account: str) -> None:
    if ledger.first_seen(account) is None:
        recent = {recorded.event.account for recorded in ledger.tail(_RECENT)} - {""}
        form = "" if ":" in account else "; accounts are called PRODUCT:USER"
        near = did_you_mean(account, recent)
        raise LookupError(f"no request of the account {account!r} is in the ledger{form}{near}")
