"""Proposing: each word has a row that counts and one that does not, and nobody is punished twice for the same thing."""

import msgspec
import pytest

from outworks.action import Action, Standing
from outworks.enforcement.history import History
from outworks.enforcement.propose import Proposed, action_id, propose
from outworks.enforcement.taken import Taken
from outworks.event import Undone
from outworks.ledger import DEFENSE_FAILED, PROVIDER_REFUSAL, Signal
from outworks.verdict import Decision
from tests.enforcement.kit import ANN, NOW, action, rule, rules, signal

ALLOW, MODIFY, ESCALATE, BLOCK = Decision


def proposed(when: str, *signals: Signal, **fields: object) -> Proposed:
    history = History(account=ANN, at=NOW, signals=signals, **fields)  # type: ignore[arg-type]
    return propose(rules(rule(when)), history)


COUNTS = [
    ('blocked("1h") == 1', signal()),
    ('blocked("1h") == 1', signal(decision=ESCALATE)),
    ('blocked("fingerprint", "1h") == 1', signal()),
    ('flagged("1h") == 1', signal(decision=MODIFY)),
    ('flagged("1h") == 1', signal(decision=ALLOW, score=0.5)),
    ('flagged("fingerprint", "1h") == 1', signal(decision=ALLOW)),
    ('flagged("refusal", "1h") == 1', signal(defense="refusal", category="refusal", decision=ALLOW)),
    ('found("known_bad", "1h") == 1', signal(decision=ALLOW, score=0.5)),
    ('found("known_bad", "1h", 0.1) == 1', signal(decision=ALLOW, score=0.2)),
    ('found("known_bad", "1h", 0.9) == 1', signal(decision=ALLOW, score=0.9)),
    ('shadow("1h") == 1', signal(mode="shadow")),
    ('shadow("fingerprint", "1h") == 1', signal(mode="shadow")),
    ('refusals("1h") == 1', signal(defense="refusal", category="refusal", decision=ALLOW)),
    ('refusals("1h") == 1', signal(defense="upstream", category=PROVIDER_REFUSAL, decision=ALLOW)),
    ('conversations("1h") == 1', signal()),
    ('conversations("1h") == 1', signal(defense="refusal", category="refusal", decision=ALLOW)),
]

COUNTS_NOT = [
    ('blocked("1h") > 0', signal(decision=MODIFY)),
    ('blocked("1h") > 0', signal(mode="shadow")),
    ('blocked("1h") > 0', signal(ago=3601)),
    ('blocked("1h") > 0', signal(defense="standing", category="standing")),
    ('blocked("standing", "1h") > 0', signal(defense="standing", category="standing")),
    ('blocked("1h") > 0', signal(category=DEFENSE_FAILED)),
    ('blocked("leak", "1h") > 0', signal()),
    ('flagged("1h") > 0', signal(mode="shadow")),
    ('flagged("1h") > 0', signal(decision=ALLOW, score=0.49)),
    ('flagged("1h") > 0', signal(defense="refusal", category="refusal", decision=ALLOW)),
    ('flagged("1h") > 0', signal(defense="gateway", category="rejected", decision=ALLOW)),
    ('flagged("1h") > 0', signal(category=DEFENSE_FAILED)),
    ('flagged("leak", "1h") > 0', signal()),
    ('found("known_bad", "1h") > 0', signal(decision=ALLOW, score=0.49)),
    ('found("known_bad", "1h", 0.9) > 0', signal(score=0.89)),
    ('found("other", "1h") > 0', signal()),
    ('found("known_bad", "1h") > 0', signal(mode="shadow")),
    ('shadow("1h") > 0', signal()),
    ('shadow("leak", "1h") > 0', signal(mode="shadow")),
    ('refusals("1h") > 0', signal()),
    ('refusals("1h") > 0', signal(defense="refusal", category="refusal", decision=ALLOW, score=0.3)),
    ('conversations("1h") > 0', signal(mode="shadow")),
    ('conversations("1h") > 0', signal(defense="gateway", category="rejected", decision=ALLOW)),
]


@pytest.mark.parametrize(("when", "given"), COUNTS)
def test_what_counts(when: str, given: Signal) -> None:
    """A word counts what it says, and the action cites it."""
    (one,) = proposed(when, given).actions

    assert one.evidence == (given.seq,)


@pytest.mark.parametrize(("when", "given"), COUNTS_NOT)
def test_what_does_not_count(when: str, given: Signal) -> None:
    """A word counts nothing else: no shadow verdict, no fault of ours, no request stopped for the standing itself."""
    assert proposed(when, given) == Proposed()


def test_an_exchange_counts_once() -> None:
    """However many signals an exchange left, streamed piece by piece, it is one exchange, in one conversation."""
    three = [signal(seq, exchange="ex", conversation="c") for seq in (4, 5, 6)]

    (one,) = proposed('blocked("1h") == 1 && conversations("1h") == 1', *three).actions

    assert one.evidence == (6,)


def test_conversations_are_told_apart() -> None:
    """Two exchanges of one conversation are one conversation; of two conversations, two."""
    same = [signal(1, conversation="c"), signal(2, conversation="c")]

    assert not proposed('conversations("1h") >= 2', *same).actions
    assert proposed('conversations("1h") >= 2', *same, signal(3, conversation="d")).actions


@pytest.mark.parametrize(("since", "number", "acts"), [(60.0, 101, True), (60.0, 100, False)])
def test_requests_count(since: float, number: int, acts: bool) -> None:
    """`requests` is the number received within the window."""
    assert bool(proposed('requests("1m") > 100', requests={NOW - since: number}).actions) is acts


@pytest.mark.parametrize(("first_seen", "acts"), [(NOW - 3599, True), (NOW - 3600, False), (None, True)])
def test_age_counts(first_seen: float | None, acts: bool) -> None:
    """`age` runs from the account's first event."""
    when = 'blocked("1h") > 0 && age < duration("1h")'

    assert bool(proposed(when, signal(), first_seen=first_seen).actions) is acts


EARLIER = [
    ('warnings("30d") == 1', Standing.WARNED),
    ('limits("30d") == 1', Standing.LIMITED),
    ('suspensions("30d") == 1', Standing.SUSPENDED),
]


@pytest.mark.parametrize(("when", "standing"), EARLIER)
def test_earlier_actions_count(when: str, standing: Standing) -> None:
    """Earlier actions count once they are taken, expired or not; undone, in shadow, older or cleared they do not."""
    one = action(standing, at=NOW - 86400, expires=NOW - 3600)
    back = Undone(action=one.id, by="person:eva")
    shadow = msgspec.structs.replace(one, shadow=True)
    old = msgspec.structs.replace(one, at=NOW - 31 * 86400)
    cleared = Taken(8, action(Standing.GOOD))

    assert proposed(when, taken=(Taken(7, one),)).actions[0].evidence == (7,)
    for taken in ((Taken(7, one, back),), (Taken(7, shadow),), (Taken(7, old),), (Taken(7, one), cleared)):
        assert not proposed(when, taken=taken).actions


@pytest.mark.parametrize(("expires", "acts"), [(NOW + 1, True), (NOW, False)])
def test_standing_counts_while_in_force(expires: float, acts: bool) -> None:
    """`standing` is what the account may do at this moment."""
    limited = Taken(7, action(Standing.LIMITED, at=NOW - 10, expires=expires))

    assert bool(proposed('blocked("1h") > 0 && standing == limited', signal(), taken=(limited,)).actions) is acts


def test_an_action_says_all_that_it_must() -> None:
    """An action names the rule, the policy, the evidence, its expiry and what the account is told."""
    fields = {"reason": "Too much.", "policy": "Use 3.1", "rate_per_minute": 6.0, "expires": "12h"}
    history = History(account=ANN, at=NOW, signals=(signal(3), signal(9)))

    (one,) = propose(rules(rule('blocked("1h") > 1', "limit", **fields)), history, new_id=lambda: "act_x").actions

    assert one == Action(
        id="act_x",
        account=ANN,
        standing=Standing.LIMITED,
        by="rule:repeat",
        reason="Too much.",
        policy="Use 3.1",
        evidence=(3, 9),
        at=NOW,
        expires=NOW + 43_200,
        rate_per_minute=6.0,
    )


def test_a_ban_lasts_for_good_unless_it_says_otherwise() -> None:
    """Without an expiry a ban has none."""
    history = History(account=ANN, at=NOW, signals=(signal(),))

    (one,) = propose(rules(rule('blocked("1h") > 0', "ban")), history).actions

    assert one.expires is None
    assert one.standing is Standing.BANNED


def test_shadow_rules_propose_in_shadow() -> None:
    """What a rule in shadow calls for is marked so."""
    history = History(account=ANN, at=NOW, signals=(signal(),))

    (one,) = propose(rules(rule('blocked("1h") > 0', mode="shadow")), history).actions

    assert one.shadow


def test_every_rule_that_holds_is_recorded() -> None:
    """Several rules may hold at once; each has its action."""
    two = rules(rule('blocked("1h") > 0', "warn", name="a"), rule('blocked("1h") > 0', "ban", name="b"))

    found = propose(two, History(account=ANN, at=NOW, signals=(signal(),))).actions

    assert [one.by for one in found] == ["rule:a", "rule:b"]


def test_a_rule_that_fails_punishes_nobody() -> None:
    """A rule that comes to no answer takes no action and says so; the others go on."""
    two = rules(rule('1 / (blocked("1h") - 1) > 0', name="broken"), rule('blocked("1h") > 0', name="sound"))

    found = propose(two, History(account=ANN, at=NOW, signals=(signal(),)))

    assert [one.by for one in found.actions] == ["rule:sound"]
    assert [(one.rule, one.account) for one in found.failed] == [("broken", ANN)]
    assert "divide by zero" in found.failed[0].error


OWN = {"by": "rule:repeat", "at": NOW - 100, "evidence": (1, 2, 3)}


def test_a_rule_does_not_act_while_it_acts() -> None:
    """While a rule's action is in force, the rule does nothing more to the account, whatever happens."""
    own = Taken(4, action(Standing.SUSPENDED, expires=NOW + 100, **OWN))
    fresh = [signal(seq) for seq in range(5, 20)]

    assert not proposed('blocked("1h") >= 3', *fresh, taken=(own,)).actions


@pytest.mark.parametrize("how", ["expired", "undone", "reinstated"])
def test_a_rule_starts_afresh_after_its_action(how: str) -> None:
    """Once its action is over, what it rested on does not count for the rule again; what came later does."""
    one = action(Standing.SUSPENDED, expires=NOW - 1 if how == "expired" else NOW + 1000, **OWN)
    back = Undone(action=one.id, by="person:eva") if how == "undone" else None
    taken = (Taken(4, one, back), *([Taken(5, action(Standing.GOOD))] if how == "reinstated" else []))
    old = [signal(1), signal(2), signal(3)]
    fresh = [signal(6), signal(7), signal(8)]

    assert not proposed('blocked("1h") >= 3', *old, *fresh[:2], taken=taken).actions
    (again,) = proposed('blocked("1h") >= 3', *old, *fresh, taken=taken).actions
    assert again.evidence == (6, 7, 8)


def test_another_rule_may_count_the_same() -> None:
    """What one rule acted on still counts for the others, and for the same rule in shadow."""
    expired = Taken(4, action(Standing.SUSPENDED, expires=NOW - 1, **{**OWN, "by": "rule:other"}))
    shadow = Taken(4, action(Standing.SUSPENDED, expires=NOW + 9, shadow=True, **OWN))

    for taken in ((expired,), (shadow,)):
        assert proposed('blocked("1h") >= 3', signal(1), signal(2), signal(3), taken=taken).actions


def test_a_reinstatement_clears_the_slate_for_every_rule() -> None:
    """After a person has reinstated an account, nothing before counts, even for rules that had not acted."""
    back = Taken(4, action(Standing.GOOD, at=NOW - 5))

    assert not proposed('blocked("1h") > 0', signal(3), taken=(back,)).actions
    assert proposed('blocked("1h") > 0', signal(5), taken=(back,)).actions


def test_an_undone_reinstatement_clears_nothing() -> None:
    """Undoing a reinstatement brings back what it had cleared."""
    back = action(Standing.GOOD, at=NOW - 5)

    assert proposed('blocked("1h") > 0', signal(3), taken=(Taken(4, back, Undone(action=back.id, by="x")),)).actions


def test_requests_before_its_own_action_do_not_count_again() -> None:
    """A rule over requests counts those since its own last action only."""
    own = Taken(4, action(Standing.SUSPENDED, expires=NOW - 1, **OWN))

    assert not proposed('requests("1h") > 9', requests={NOW - 100: 5, NOW - 3600: 500}, taken=(own,)).actions


def test_an_undone_action_is_not_repeated_on_earlier_actions() -> None:
    """A rule whose action was undone does not repeat it because of the same earlier actions."""
    when = 'suspensions("90d") >= 2'
    two = [Taken(n, action(Standing.SUSPENDED, at=NOW - 900, expires=NOW - 800)) for n in (3, 4)]
    own = action(Standing.SUSPENDED, by="rule:repeat", at=NOW - 100, evidence=(3, 4))
    back = Taken(5, own, Undone(action=own.id, by="person:eva"))

    assert proposed(when, taken=tuple(two)).actions
    assert not proposed(when, signal(9), taken=(*two, back)).actions


@pytest.mark.parametrize("over", ["expired", "undone"])
def test_an_action_is_not_repeated_on_the_same_earlier_actions(over: str) -> None:
    """Once its own action has expired, too, a rule over actions wants as many new ones."""
    when = 'warnings("90d") >= 2'
    old, new = ([Taken(n, action(Standing.WARNED, at=NOW - 900, expires=NOW - 800)) for n in two] for two in _TWO_TWICE)
    expires = NOW - 10 if over == "expired" else NOW + 10
    own = action(Standing.SUSPENDED, by="rule:repeat", at=NOW - 100, expires=expires, evidence=(3, 4))
    back = Undone(action=own.id, by="person:eva") if over == "undone" else None

    assert proposed(when, taken=tuple(old)).actions
    assert not proposed(when, signal(9), taken=(*old, Taken(5, own, back))).actions
    assert not proposed(when, signal(9), taken=(*old, Taken(5, own, back), new[0])).actions
    (again,) = proposed(when, signal(9), taken=(*old, Taken(5, own, back), *new)).actions
    assert again.evidence == (6, 7)


_TWO_TWICE = ((3, 4), (6, 7))


def test_evidence_is_bounded_and_keeps_the_latest() -> None:
    """An action cites at most a hundred exchanges, the latest, so that none of those counted is taken for new."""
    many = [signal(seq) for seq in range(1, 501)]

    (one,) = proposed('blocked("1h") > 0', *many).actions

    assert one.evidence == tuple(range(401, 501))


def test_ids_are_short_and_unlike() -> None:
    """An id can be read out over the telephone, and does not repeat."""
    ids = {action_id() for _ in range(2000)}

    assert len(ids) == 2000
    assert all(len(each) == 16 and not set(each[4:]) & set("ilou") for each in ids)
