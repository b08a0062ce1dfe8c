"""Written rules: those that people write in the console, kept in the ledger, beside the policy file's own."""

import contextlib
import hashlib
import threading
from collections.abc import Collection, Mapping, Sequence

import msgspec

from outworks.enforcement.rules import Rule, RuleError, RuleMode, Rules, compile_rules
from outworks.enforcement.settings import CaseSettings, reviewed
from outworks.event import Changed
from outworks.ledger.reader import Reader

WHAT = "rule"
"""The `what` of the `changed` events in which they are kept."""


class Tried(msgspec.Struct, frozen=True):
    """A backtest that was run on a rule as it was written then."""

    at: float
    """Unix seconds."""
    by: str
    sha256: str
    accounts: int
    days: float


class Written(msgspec.Struct, frozen=True):
    """A rule that a person wrote, and how far it has come."""

    rule: Rule
    by: str
    at: float
    tried: Tried | None = None

    @property
    def next_mode(self) -> RuleMode | None:
        """The mode that it may be given next: shadow once this very rule was tried on the past, then live."""
        if self.rule.mode is RuleMode.DRAFT:
            return RuleMode.SHADOW if self.tried is not None and self.tried.sha256 == digest(self.rule) else None
        return RuleMode.LIVE if self.rule.mode is RuleMode.SHADOW else None


def digest(rule: Rule) -> str:
    """What a rule does, whatever its mode and its words: what was tried is what goes live."""
    plain = msgspec.structs.replace(rule, mode=RuleMode.LIVE, description="", reason="", policy="", case="")
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


class WrittenRules:
    """Every rule that was written and not removed, as far as the ledger has been read."""

    def __init__(self, ledger: Reader) -> None:
        self._ledger = ledger
        self._seq = 0
        self._known: dict[str, Written] = {}
        self._turn = threading.Lock()

    def refresh(self) -> bool:
        """Read on; whether a rule changed. What cannot be read as a rule is passed over: it is in force nowhere."""
        with self._turn:
            head = self._ledger.head().seq
            if head == self._seq:
                return False
            changed = False
            for recorded in self._ledger.events(self._seq, kinds=("changed",)):
                body = recorded.event.body
                if isinstance(body, Changed) and body.what == WHAT:
                    changed = self._apply(body, recorded.event.at) or changed
            self._seq = head
            return changed

    def _apply(self, body: Changed, at: float) -> bool:
        said = body.detail
        op = said.get("op")
        known = self._known.get(body.name)
        if op == "save":
            try:
                rule = msgspec.convert(said.get("rule"), Rule)
            except msgspec.ValidationError:
                return False
            if rule.name != body.name:
                return False
            self._known[body.name] = Written(rule, body.by, at, known.tried if known is not None else None)
        elif op == "remove":
            self._known.pop(body.name, None)
        elif op == "backtest" and known is not None:
            try:
                tried = msgspec.convert({**said, "at": at, "by": body.by}, Tried)
            except msgspec.ValidationError:
                return False
            self._known[body.name] = msgspec.structs.replace(known, tried=tried)
            return False
        return True

    def get(self, name: str) -> Written:
        """A written rule. Raises LookupError."""
        if name not in self._known:
            raise LookupError(f"no rule {name!r} was written in the console")
        return self._known[name]

    @property
    def all(self) -> Sequence[Written]:
        """All of them, by name."""
        return tuple(self._known[name] for name in sorted(self._known))


def together(
    policy: Rules,
    written: Sequence[Written],
    *,
    taken: Collection[str],
    cases: CaseSettings | None = None,
    defenses: Collection[str] | None = None,
) -> Rules:
    """The policy's rules, and after them the written ones. One that has a name that is `taken` (by the policy's, drafts
    too), or that can no longer be compiled, is left out: the policy file has the last word, and one bad rule stops no
    other."""
    compiled = list(policy.compiled)
    for rule in reviewed([each.rule for each in written if each.rule.name not in taken], cases or CaseSettings()):
        with contextlib.suppress(RuleError):
            compiled += compile_rules([rule], defenses=defenses).compiled
    return Rules(tuple(compiled))


def saved(rule: Rule, *, by: str) -> Changed:
    """The event that writes a rule, or writes it anew."""
    said: Mapping[str, object] = msgspec.to_builtins(rule)
    return Changed(what=WHAT, name=rule.name, by=by, detail={"op": "save", "rule": said})


def removed(name: str, *, by: str) -> Changed:
    """The event that takes a rule away; the actions that it took stay."""
    return Changed(what=WHAT, name=name, by=by, detail={"op": "remove"})


def tried_out(rule: Rule, *, by: str, accounts: int, days: float) -> Changed:
    """The event that says what a rule would have done."""
    detail = {"op": "backtest", "sha256": digest(rule), "accounts": accounts, "days": days}
    return Changed(what=WHAT, name=rule.name, by=by, detail=detail)
