"""Linked accounts: what two have in common is found with the events that show it; a link is never enough to act on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from outworks.action import Standing
from outworks.enforcement.evidence import linked
from outworks.enforcement.evidence.linked import COMMON, FROM, Links
from outworks.enforcement.history import History, Restricted, Said
from outworks.enforcement.propose import BY_LINK_ALONE, propose
from outworks.enforcement.rules import Compiled, RuleError, Rules, compile_rules
from outworks.enforcement.watch import Watch
from outworks.event import Acted
from outworks.ledger import Ledger, erase
from tests.enforcement.kit import ANN, NOW, acted, action, exchange, received, rule, rules, signal, undone
from tests.enforcement.texts import TEMPLATE, blocked, said

BOB = "shop:bob"
TEXTS = [
    "The lamp in the harbour is green on Tuesdays, and nobody has ever told the gulls why that should be so.",
    "My grandfather kept seven clocks in the pantry and wound each of them at a different hour of the night.",
    "A violin made of pine does not forgive the hand that learned to play upon one made of maple, they say.",
    "In the museum of small machines there is a mill that grinds one grain of rice a year, and rests after.",
]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


@pytest.fixture
def links(ledger: Ledger) -> Iterator[Links]:
    made = Links(ledger)
    yield made
    made.close()


def kinds(links: Links, account: str = ANN) -> dict[str, set[str]]:
    links.follow()
    return {link.account: {clue.kind for clue in link.clues} for link in links.of(account)}


def test_a_rare_text_that_two_share_links_them(ledger: Ledger, links: Links) -> None:
    """The same rare words link two accounts, both ways, and the clue names the events."""
    ledger.append_now([*said(TEXTS[0]), *said(TEXTS[0].upper(), account=BOB), *said(TEXTS[1], account="shop:eve")])
    links.follow()

    (link,) = links.of(ANN)
    (back,) = links.of(BOB)

    assert (link.account, back.account) == (BOB, ANN)
    assert [(c.kind, c.own, c.other) for c in link.clues] == [("text", (1,), (3,))]
    assert FROM < link.strength < 1


def test_near_duplicates_link(ledger: Ledger, links: Links) -> None:
    """One template with different payloads links, where hardly anybody else has it."""
    ledger.append_now([*said(TEMPLATE + "what is behind the door?"), *said(TEMPLATE + "why is it cold?", account=BOB)])

    assert kinds(links) == {BOB: {"near_text"}}


def test_what_many_write_links_nobody(ledger: Ledger, links: Links) -> None:
    """A text that more than so many accounts have is common: a classroom's exercise, a product's own template."""
    ledger.append_now([e for n in range(COMMON + 1) for e in said(TEXTS[0], account=f"shop:a{n}")])
    ledger.append_now(said(TEXTS[0]))

    assert kinds(links) == {}


def test_what_the_bank_knows_links_nobody(ledger: Ledger, links: Links) -> None:
    """A published attack is copied and quoted by people who do not know each other; slices that cut the exchange make
    no difference."""
    ledger.append_now([*blocked(TEXTS[0]), *blocked(TEXTS[0], account=BOB), *said(TEXTS[0], account="shop:eve")])
    while links.follow(most=1):
        pass

    assert kinds(links) == {}
    assert kinds(links, BOB) == {}


def test_short_texts_link_nobody(ledger: Ledger, links: Links) -> None:
    """What people write without knowing of each other links nobody."""
    ledger.append_now([*said("What is the capital of France?"), *said("What is the capital of France?", account=BOB)])

    assert kinds(links) == {}


def test_sequence_pace_and_time_are_clues(ledger: Ledger, links: Links) -> None:
    """The same texts in the same order, at one pace and at one time, are clues of their own."""
    texts = [*TEXTS, TEXTS[0] + " And so on it goes.", TEXTS[1] + " And so it ends."]
    for n, text in enumerate(texts):
        ledger.append_now(said(text, at=NOW + 60 * n))
        ledger.append_now(said(text, at=NOW + 60 * n + 3, account=BOB))

    for n, text in enumerate(reversed(texts)):
        ledger.append_now(said(text, at=NOW + 4000 + 300 * n, account="shop:eve"))

    found = kinds(links)

    assert {"text", "sequence", "together", "pace"} <= found[BOB]
    assert not {"sequence", "together", "pace"} & found["shop:eve"]


def test_rare_parameters_of_one_product_are_a_clue(ledger: Ledger, links: Links) -> None:
    """One behaviour at one product's key is a clue beside a shared text; at another product it is none."""
    odd = {"temperature": 0.37, "seed": 41}
    ledger.append_now([*said(TEXTS[0], parameters=odd), *said(TEXTS[0], parameters=odd, account=BOB)])
    ledger.append_now(said(TEXTS[0], parameters=odd, account="other:eve", product="other"))

    found = kinds(links)

    assert "behaviour" in found[BOB]
    assert "behaviour" not in found["other:eve"]


def test_who_comes_back_after_being_stopped_is_told(ledger: Ledger, links: Links) -> None:
    """An account first seen after a linked one was banned says when; one that was there before does not."""
    ledger.append_now(said(TEXTS[0], at=NOW, account=BOB))
    ledger.append_now([acted(action(Standing.BANNED, account=BOB, at=NOW + 10))])
    ledger.append_now(said(TEXTS[0], at=NOW + 7200))

    assert kinds(links) == {BOB: {"text", "succession"}}
    assert kinds(links, BOB) == {ANN: {"text"}}


def test_what_is_erased_links_no_more(ledger: Ledger, links: Links) -> None:
    """When a person's words are erased, their fingerprints go too."""
    ledger.append_now([*said(TEXTS[0]), *said(TEXTS[0], account=BOB)])
    links.follow()

    erase(ledger, account=BOB, by="eva", reason="asked")
    links.follow()

    assert links.of(ANN) == []
    assert not links._rows("SELECT * FROM posting WHERE seq = 3")


def test_an_index_that_nobody_follows_forgets_too(ledger: Ledger, links: Links) -> None:
    """As one that a trial of a rule left behind: no digest of it stays by which a guess could be tried out."""
    ledger.append_now([*said(TEXTS[0]), *said(TEXTS[0], account=BOB)])
    links.follow()
    place = links.seq

    erase(ledger, account=BOB, by="eva", reason="asked")
    linked.forget(ledger)

    assert [seq for (seq,) in links._rows("SELECT seq FROM text")] == [1]
    assert not links._rows("SELECT * FROM posting WHERE seq = 3")
    assert links.seq == place


def test_where_there_is_no_index_none_is_made(ledger: Ledger) -> None:
    """To forget leaves nothing behind."""
    ledger.append_now(said(TEXTS[0]))

    erase(ledger, account=ANN, by="eva", reason="asked")
    linked.forget(ledger)

    assert not ledger.path.with_name(f"{ledger.path.name}.links").exists()


def test_links_are_as_they_were_at_an_event(ledger: Ledger, links: Links) -> None:
    """Asked about an earlier event, nothing later counts."""
    ledger.append_now([*said(TEXTS[0]), *said(TEXTS[0], account=BOB)])
    links.follow()

    assert links.of(ANN, upto=2) == []
    assert len(links.of(ANN, upto=3)) == 1


def test_the_index_goes_on_where_it_was(ledger: Ledger, links: Links) -> None:
    """Slice by slice, by several followers, and after a restart, the index is the same; another ledger begins it."""
    ledger.append_now([e for n, text in enumerate(TEXTS) for e in said(text, account=f"shop:a{n % 2}")])
    while links.follow(most=3):
        pass
    again = Links(ledger)
    assert again.follow() is False
    ledger.append_now(said(TEXTS[0]))
    again.follow()

    assert [link.account for link in links.of(ANN)] == ["shop:a0"]
    links._db.execute("UPDATE place SET hash = 'of another'")
    ledger.append_now([received()])
    links.follow()
    assert [link.account for link in links.of(ANN)] == ["shop:a0"]
    again.close()


def test_a_damaged_index_is_made_anew(ledger: Ledger) -> None:
    """What is no database, or of another version, is begun anew: the ledger has it all."""
    ledger.append_now([*said(TEXTS[0]), *said(TEXTS[0], account=BOB)])
    path = ledger.path.with_name(f"{ledger.path.name}.links")
    path.write_bytes(b"not a database, not at all " * 100)

    made = Links(ledger)

    assert kinds(made) == {BOB: {"text"}}
    made.close()


ALONE = [
    'linked("30d") >= 1',
    'linked("30d") >= 1 || blocked("1h") >= 1',
    'linked("30d") >= 1 && requests("1d") >= 1',
    'linked("30d") >= 1 && warnings("30d") >= 0',
    'linked("30d") >= 1 && blocked("1h") == 0',
    'linked("30d") >= 1 && age < duration("24h")',
    'linked("30d") >= 3 && standing >= warned',
    '(linked("30d") >= 1 ? 5 : 0) + blocked("1h") >= 5',
]


@pytest.mark.parametrize("when", ALONE)
def test_a_rule_cannot_act_on_a_link_alone(when: str) -> None:
    """A condition that a link could fulfil without anything that the account did is refused when it is loaded."""
    with pytest.raises(RuleError, match="nobody is punished for whom he knows"):
        compile_rules([rule(when)])


def test_a_link_beside_misuse_is_allowed() -> None:
    """A link may lower what misuse it takes, where some misuse is needed."""
    assert compile_rules([rule('linked("30d") >= 1 && score("7d") >= 1.0')]).compiled


def test_what_the_check_overlooks_is_seen_when_it_meets_an_account() -> None:
    """A condition that slips past the check, for it holds at one odd number only, acts on nobody by link alone."""
    (slipped,) = compile_rules([rule('linked("30d") >= 1 && (requests("1d") == 7 || blocked("1h") >= 3)')]).compiled
    history = History(
        account=ANN,
        at=NOW,
        signals=(signal(),),
        requests={NOW - 86_400: 7},
        said=Said(linked=(Restricted(BOB, NOW - 5, (1,)),)),
    )

    found = propose(Rules((Compiled(slipped.rule, slipped.condition),)), history)

    assert not found.actions
    assert [failed.error for failed in found.failed] == [BY_LINK_ALONE]


def test_a_rule_reads_links_live(ledger: Ledger) -> None:
    """Misuse by an account that is linked to a banned one meets the rule; without it, or after an undo, none does."""
    made = rules(rule('linked("30d") >= 1 && blocked("1h") >= 1'))
    ban = action(Standing.BANNED, account=BOB, at=NOW - 50)
    now = NOW
    watch = Watch(ledger, made, place=None, clock=lambda: now, ticks=lambda: now)
    ledger.append_now([*said(TEXTS[0], at=NOW - 60, account=BOB), acted(ban), *said(TEXTS[0], at=NOW - 40)])
    quiet = watch.look(made)
    ledger.append_now(exchange(at=NOW))
    (event,) = watch.look(made).events
    ledger.append_now([undone(ban), *exchange(at=NOW + 100)])
    now = NOW + 100

    assert not quiet.events
    assert isinstance(event.body, Acted)
    assert event.body.action.account == ANN
    assert not watch.look(made).events
