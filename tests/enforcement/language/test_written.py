"""Written rules: folded from the ledger, beside the policy's own."""

from pathlib import Path

import msgspec

from outworks.enforcement.language.written import WHAT, WrittenRules, digest, removed, saved, together, tried_out
from outworks.enforcement.rules import RuleMode, Rules
from outworks.event import Body, Changed, Event
from outworks.ledger import Ledger
from tests.enforcement.kit import rule, rules

LIVE = rule('blocked("1h") >= 2', name="mine")


def _record(ledger: Ledger, *bodies: Body) -> None:
    ledger.append_now([Event(body=body, at=1.0) for body in bodies])


def test_a_rule_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """Saving, saving again and removing are folded in order; refresh says whether anything changed."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        known = WrittenRules(ledger)
        assert not known.refresh()
        _record(ledger, saved(LIVE, by="person:ada"))
        assert known.refresh()
        assert [each.rule for each in known.all] == [LIVE]
        assert not known.refresh()

        _record(ledger, removed("mine", by="person:ada"))

        assert known.refresh()
        assert list(known.all) == []


def test_what_is_no_rule_is_in_force_nowhere(tmp_path: Path) -> None:
    """An event that does not hold a rule, or one under another name, is passed over."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        known = WrittenRules(ledger)
        _record(
            ledger,
            Changed(what=WHAT, name="x", detail={"op": "save", "rule": {"name": "x"}}),
            Changed(what=WHAT, name="x", detail={"op": "save"}),
            Changed(what=WHAT, name="other", detail=saved(LIVE, by="a").detail),
            Changed(what=WHAT, name="mine", detail={"op": "explode"}),
            Changed(what="key", name="mine", detail={"op": "save"}),
        )

        known.refresh()

        assert list(known.all) == []


def test_the_policy_has_the_last_word(tmp_path: Path) -> None:
    """A written rule under a name of the policy's, one that no longer compiles, and drafts are not evaluated."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        known = WrittenRules(ledger)
        draft = msgspec.structs.replace(LIVE, name="draft", mode=RuleMode.DRAFT)
        broken = msgspec.structs.replace(LIVE, name="broken", when='nonsense("1h") > 1')
        clash = msgspec.structs.replace(LIVE, name="theirs")
        _record(ledger, *(saved(each, by="a") for each in (LIVE, draft, broken, clash)))
        known.refresh()
        theirs = rules(rule('blocked("1h") >= 9', name="theirs"))

        merged = together(theirs, known.all, taken=["theirs"])

    assert [each.rule.name for each in merged.compiled] == ["theirs", "mine"]
    assert merged.compiled[0].rule.when == 'blocked("1h") >= 9'
    assert together(Rules(), (), taken=()).compiled == ()


def test_a_backtest_counts_for_what_was_tried(tmp_path: Path) -> None:
    """A trial lets the rule go on as long as it does the same; its words may change."""
    with Ledger.open(tmp_path / "l.db") as ledger:
        known = WrittenRules(ledger)
        draft = msgspec.structs.replace(LIVE, mode=RuleMode.DRAFT)
        _record(ledger, saved(draft, by="a"))
        known.refresh()
        assert known.get("mine").next_mode is None
        _record(ledger, tried_out(draft, by="a", accounts=3, days=30.0))
        known.refresh()
        assert known.get("mine").next_mode is RuleMode.SHADOW

        _record(ledger, saved(msgspec.structs.replace(draft, when='blocked("1h") >= 1'), by="a"))
        known.refresh()

        assert known.get("mine").next_mode is None
    assert digest(draft) == digest(LIVE)
