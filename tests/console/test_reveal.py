"""Revealing: every conversation that is shown counts for the day, and every text that is given out is a look."""

import re
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from outworks.console.console import Console
from outworks.console.settings import Settings, Wellness
from outworks.enforcement.desk import lookup, queues
from outworks.enforcement.desk.openings import open_due
from outworks.enforcement.desk.roles import Reviewer, Role
from outworks.event import Changed, Event, RecordError, Reported, Viewed
from tests.console.kit import Somebody, opened, setup
from tools.console_data import exchange

LEAD = Reviewer("lena.lead", Role.LEAD)


def _say(console: Console, *seeds: int, account: str = "shop:ann", category: str = "known_bad") -> list[int]:
    """One exchange in a conversation of its own for each seed; the events' numbers."""
    seqs: list[int] = []
    for seed in seeds:
        at = console.desk.clock() - 1000 + 2 * seed + (account != "shop:ann")
        words = f"WORDS-{seed}."
        seqs += console.ledger.append_now(
            list(exchange(account, at, words, "", defense="fingerprint", category=category, seed=seed))
        )
    return seqs


def _words(page: str) -> set[int]:
    return {int(each) for each in re.findall(r"WORDS-(\d+)\.", page)}


def _limited(folder: Path, **limits: int) -> AbstractContextManager[Console]:
    return opened(folder, setup(settings=Settings(wellness=Wellness(blur=False, daily_limits=limits))))


def test_every_conversation_that_is_shown_counts(tmp_path: Path) -> None:
    """A page of an account shows as many conversations as the day has room for, the latest; then none, however many
    are added; and those that were read today may be read again."""
    with _limited(tmp_path, any=3) as console:
        _say(console, *range(5))
        eva = Somebody(console, "eva")

        first = eva.post("/account/content?name=shop:ann")
        again = eva.post("/account/content?name=shop:ann")
        _say(console, *range(10, 18))
        later = eva.post("/account/content?name=shop:ann")

        assert _words(first.text) == _words(again.text) == {2, 3, 4}
        assert "3 is your limit" in first.text
        assert later.status_code == 429
        assert _words(later.text) == set()
        assert console.wellness.rooms("eva")[0].read == 3
        assert [len(body.events) for body in eva.events(Viewed)] == [3, 3]


def test_a_limit_holds_back_its_category_alone(tmp_path: Path) -> None:
    """Conversations of a category without room are left out of a case, and it says so; others are shown."""
    with _limited(tmp_path, violence=1) as console:
        seqs = _say(console, 1, 2, category="violence") + _say(console, 3, category="known_bad")
        case = queues.open_case(console.desk, LEAD, "shop:ann", evidence=seqs, why="For tests.").id
        eva = Somebody(console, "eva")

        page = eva.post(f"/cases/{case}/content", hx_request="true").text

        assert _words(page) == {2, 3}
        assert "conversations with violence" in page
        assert "Not all of it is shown" in page


def test_a_conversation_counts_once_wherever_it_is_read(tmp_path: Path) -> None:
    """The same conversation on the account's page, in its case and as an exchange is one; that of another account is
    another, though it has the same name."""
    with _limited(tmp_path, any=2) as console:
        seqs = _say(console, 1)
        _say(console, 1, account="shop:bob")
        case = queues.open_case(console.desk, LEAD, "shop:ann", evidence=seqs, why="For tests.").id
        (row,) = console.search.exchanges("shop:ann")
        eva = Somebody(console, "eva")

        for path in ("/account/content?name=shop:ann", f"/cases/{case}/content", f"/exchanges/{row.exchange}/content"):
            assert eva.post(path).status_code == 200
        assert console.wellness.rooms("eva")[0].read == 1

        assert eva.post("/account/content?name=shop:bob").status_code == 200
        assert console.wellness.rooms("eva")[0].read == 2


def test_what_was_written_alone_counts_as_one(tmp_path: Path) -> None:
    """A case with nothing but a report is one thing that is read; at the limit its words are held back, too."""
    with _limited(tmp_path, any=1) as console:
        for name in ("ann", "bob"):
            body = Reported(id=f"rep_{name}", category="harassment")
            console.ledger.append_now(
                [Event(body=body, at=console.desk.clock(), account=f"shop:{name}", content="WORDS-7.")]
            )
        open_due(console.desk)
        first, second = (case.id for case in lookup.cases(console.desk))
        eva = Somebody(console, "eva")

        assert _words(eva.post(f"/cases/{first}/content").text) == {7}
        refused = eva.post(f"/cases/{second}/content")

        assert refused.status_code == 429
        assert _words(refused.text) == set()


def _bank(console: Console) -> Somebody:
    lena = Somebody(console, "lena.lead")
    for n in range(3):
        lena.post("/fingerprints", {"text": f"WORDS-{n}. and some more words beside", "source": "s", "reason": "r"})
    return lena


def test_giving_the_bank_out_is_a_look_at_every_text(console: Console) -> None:
    """Who exports the fingerprints is recorded, with the events whose texts went out."""
    _bank(console)
    kept = [each.seq for each in console.ledger.events() if isinstance(each.event.body, Changed)][-3:]
    auditor = Somebody(console, "aud.itor")

    assert _words(auditor.get("/fingerprints-export").text) == {0, 1, 2}

    (viewed,) = auditor.events(Viewed)
    assert (viewed.by, viewed.events, viewed.category) == ("aud.itor", tuple(kept), "fingerprints")


def test_no_text_goes_out_that_cannot_be_recorded(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ledger takes no event, the bank stays in."""
    lena = _bank(console)

    def full(events: object) -> None:
        raise RecordError("the disk is full")

    monkeypatch.setattr(console.ledger, "append_now", full)
    answer = lena.get("/fingerprints-export")

    assert answer.status_code == 503
    assert _words(answer.text) == set()
