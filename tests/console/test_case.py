"""Cases in the console: what a page gives away, what is recorded, and that the next case follows."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outworks.action import Standing
from outworks.console.console import Console
from outworks.console.reviewers import add, switch
from outworks.console.settings import Settings, Wellness
from outworks.enforcement.desk import golden, lookup, queues
from outworks.enforcement.desk.cases import Outcome, State
from outworks.enforcement.desk.openings import Findings
from outworks.enforcement.desk.roles import Reviewer, Role
from outworks.enforcement.telling.clerk import step
from outworks.event import CaseDecided, Event, Reported, Viewed
from tests.console.kit import Somebody, opened, setup
from tests.enforcement.desk_kit import by_rule, work
from tools.console_data import exchange

LEAD = Reviewer("lena.lead", Role.LEAD)
SECRET_WORDS = "PLACEHOLDER of what somebody said"


def _case(console: Console, account: str = "shop:ann", *, queue: str = "manual") -> str:
    seqs = console.ledger.append_now(
        list(
            exchange(
                account,
                console.desk.clock() - 60,
                SECRET_WORDS,
                "",
                defense="fingerprint",
                category="known_bad",
                seed=abs(hash(account)) % 10_000,
            )
        )
    )
    return queues.open_case(console.desk, LEAD, account, queue=queue, evidence=seqs[-1:], why="For tests.").id


def _outcome(somebody: Somebody, case: str, outcome: str, **fields: Any) -> Any:
    return somebody.post(f"/cases/{case}/decide", {"outcome": outcome, "policy": "1", **fields})


@pytest.mark.parametrize(("cited", "chosen"), [("2", "2"), ("", "1"), ("use-9", "use-9")])
def test_no_passage_is_cited_for_another(console: Console, cited: str, chosen: str) -> None:
    """A case shows the passage that its rule rests on, and where the policy has it no more, that one all the same:
    whoever decides with one key must not cite another unseen."""
    by_rule(console.desk, account="shop:ann", policy=cited)
    work(console.desk)
    (case,) = lookup.cases(console.desk, account="shop:ann")
    eva = Somebody(console, "eva")
    eva.post(f"/cases/{case.id}/claim")

    page = eva.get(f"/cases/{case.id}").text

    assert re.findall(r'<option value="([^"]*)" selected>', page.split('name="policy"')[1].split("</select>")[0]) == [
        chosen
    ]


def test_what_a_case_decided_is_not_taken_back_apart(console: Console) -> None:
    """The page of an account offers only what would be done."""
    eva, lea = Somebody(console, "eva"), Somebody(console, "lena.lead")
    case = _case(console)
    eva.post(f"/cases/{case}/claim")
    _outcome(eva, case, "warn", reason="x", lasts="1d")
    made = by_rule(console.desk, account="shop:ann", case="")

    page = lea.get("/account?name=shop:ann").text

    assert page.count("decided in a case") == 1
    assert re.findall(r"/actions/(\w+)/undo", page) == [made.id]


def test_the_page_gives_no_content_away(console: Console) -> None:
    """What was said is nowhere in the page of a case, an account, an exchange or an event until it is asked for."""
    case = _case(console)
    eva = Somebody(console, "eva")
    (row,) = console.search.exchanges("shop:ann")

    for path in (f"/cases/{case}", "/account?name=shop:ann", f"/exchanges/{row.exchange}", f"/events/{row.seq}", "/"):
        page = eva.get(path)
        assert page.status_code == 200
        assert "PLACEHOLDER" not in page.text, path
    assert eva.events(Viewed) == []


@pytest.mark.parametrize("where", ["case", "account", "exchange"])
def test_a_look_is_recorded_before_it_is_given(console: Console, where: str) -> None:
    """Showing content records who saw which events, and of which case."""
    case = _case(console)
    eva = Somebody(console, "eva")
    (row,) = console.search.exchanges("shop:ann")
    path = {
        "case": f"/cases/{case}/content",
        "account": "/account/content?name=shop:ann",
        "exchange": f"/exchanges/{row.exchange}/content",
    }[where]

    page = eva.post(path, hx_request="true")

    assert "PLACEHOLDER" in page.text
    (viewed,) = eva.events(Viewed)
    assert viewed.by == "eva"
    assert row.seq in viewed.events
    assert viewed.case == (case if where == "case" else "")
    assert viewed.category == "known_bad"


def test_nothing_is_shown_that_cannot_be_recorded(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ledger takes no event, the page shows no content."""
    from outworks.event import RecordError

    case = _case(console)

    def full(events: object) -> None:
        raise RecordError("the disk is full")

    monkeypatch.setattr(console.ledger, "append_now", full)
    page = Somebody(console, "eva").post(f"/cases/{case}/content", hx_request="true")

    assert page.status_code == 503
    assert "PLACEHOLDER" not in page.text


def test_a_report_is_shown_with_the_case_only_when_asked(console: Console) -> None:
    """What a reporter wrote is content, too."""
    body = Reported(id="rep_1", category="harassment")
    console.ledger.append_now(
        [Event(body=body, at=console.desk.clock(), account="shop:ann", content="They wrote WORDS")]
    )
    findings = Findings(console.desk)
    while step(console.desk, findings):
        pass
    (case,) = lookup.cases(console.desk, state=State.OPEN)
    eva = Somebody(console, "eva")

    assert "WORDS" not in eva.get(f"/cases/{case.id}").text
    assert "WORDS" in eva.post(f"/cases/{case.id}/content").text
    assert eva.events(Viewed)


def test_the_daily_limit_stands_before_content(tmp_path: Path) -> None:
    """At the limit of a category the content is refused, kindly, and nothing is recorded as seen."""
    said = setup(settings=Settings(wellness=Wellness(daily_limits={"known_bad": 1})))
    with opened(tmp_path, said) as console:
        first, second = _case(console), _case(console, "shop:bob")
        eva = Somebody(console, "eva")
        assert eva.post(f"/cases/{first}/content", hx_request="true").status_code == 200

        answer = eva.post(f"/cases/{second}/content", hx_request="true")

        assert answer.status_code == 429
        assert "your limit" in answer.text
        assert "PLACEHOLDER" not in answer.text
        assert len(eva.events(Viewed)) == 1


def test_content_comes_at_once_for_who_chose_so(console: Console) -> None:
    """Without the veil, the page asks for the content by itself, and it is recorded all the same."""
    case = _case(console)
    eva = Somebody(console, "eva")
    assert 'hx-trigger="load, submit"' not in eva.get(f"/cases/{case}").text

    eva.post("/settings/wellness", {"shortcuts": "yes"})

    assert 'hx-trigger="load, submit"' in eva.get(f"/cases/{case}").text


def test_deciding_leads_to_the_next_case(console: Console) -> None:
    """After a decision the next case of the same queue is the reviewer's; after the last one, the queues."""
    for n in range(2):
        _case(console, f"shop:u{n}", queue="mine")
    _case(console, "shop:other", queue="others")
    eva = Somebody(console, "eva")
    first = eva.post("/cases/next", {"queue": "mine"}).headers["location"]
    case = re.findall(r"/cases/(\w+)\?queue=mine", first)[0]

    second = _outcome(eva, case, "warn", queue="mine").headers["location"]

    assert "/cases/" in second
    assert case not in second
    last = _outcome(eva, re.findall(r"/cases/(\w+)", second)[0], "dismiss", queue="mine")
    assert last.headers["location"] == "/"
    assert [body.outcome for body in eva.events(CaseDecided)] == ["warn", "dismiss"]


def test_a_decision_is_taken_back_by_the_button_of_the_notice(console: Console) -> None:
    """The page after a decision offers to undo it, and the account's standing is as before."""
    case = _case(console)
    eva = Somebody(console, "eva")
    eva.post(f"/cases/{case}/claim")
    _outcome(eva, case, "suspend", lasts="2d")
    assert console.standing("shop:ann").standing is Standing.SUSPENDED
    decision = re.findall(r"/decisions/(\w+)/undo", eva.get("/").text)[0]

    assert eva.post(f"/decisions/{decision}/undo").headers["location"] == f"/cases/{case}"

    assert console.standing("shop:ann").standing is Standing.GOOD
    assert lookup.case(console.desk, case).state is State.OPEN


@pytest.mark.parametrize(
    ("outcome", "standing", "lasts"),
    [("warn", Standing.WARNED, 30), ("limit", Standing.LIMITED, 7), ("suspend", Standing.SUSPENDED, 7)],
)
def test_one_key_is_enough(console: Console, outcome: str, standing: Standing, lasts: int) -> None:
    """A decision with nothing filled in lasts as usual, cites the passage, and tells the account why in plain words."""
    case = _case(console)
    eva = Somebody(console, "eva")
    eva.post(f"/cases/{case}/claim")

    assert _outcome(eva, case, outcome).status_code == 303

    action = console.standing("shop:ann")
    assert action.standing is standing
    assert action.expires is not None
    assert round((action.expires - action.at) / 86_400) == lasts
    assert action.reason
    assert action.policy == "1"
    assert "{" not in action.reason


def test_a_ban_waits_for_a_second_person(console: Console) -> None:
    """Who proposed a ban cannot confirm it; another person's same decision puts it in force."""
    case = _case(console)
    eva = Somebody(console, "eva")
    eva.post(f"/cases/{case}/claim")
    assert _outcome(eva, case, "ban").status_code == 303
    assert console.standing("shop:ann").standing is Standing.GOOD
    assert _outcome(eva, case, "ban").status_code == 422

    lena = Somebody(console, "lena.lead")
    assert "Confirm the ban" not in lena.get(f"/cases/{case}").text
    lena.post(f"/cases/{case}/claim")
    assert "Confirm the ban" in lena.get(f"/cases/{case}").text
    _outcome(lena, case, "ban")

    assert console.standing("shop:ann").standing is Standing.BANNED


def _proposed(console: Console) -> str:
    """A case in which eva proposed a ban of 30 days, on another passage than the usual and in words of her own."""
    case = _case(console)
    eva = Somebody(console, "eva")
    eva.post(f"/cases/{case}/claim")
    fields = {"policy": "3", "reason": "You sold stolen cards on 3 May.", "lasts": "30d"}
    assert _outcome(eva, case, "ban", **fields).status_code == 303
    return case


def _chosen(page: str) -> str:
    """The passage that the form has chosen."""
    passages = re.findall(r'<select id="policy".*?</select>', page, re.DOTALL)[0]
    return str(re.findall(r'value="([^"]*)" selected', passages)[0])


def test_a_ban_is_confirmed_as_it_was_proposed(console: Console) -> None:
    """Who confirms with one key leaves the words, the passage and the end as they were proposed."""
    case = _proposed(console)
    lena = Somebody(console, "lena.lead")
    lena.post(f"/cases/{case}/claim")
    policy = _chosen(lena.get(f"/cases/{case}").text)

    fields = {"policy": policy, "reason": " ", "lasts": "", "rate": ""}
    assert _outcome(lena, case, "ban", **fields).status_code == 303

    action = console.standing("shop:ann")
    assert (action.standing, action.policy, action.reason) == (Standing.BANNED, "3", "You sold stolen cards on 3 May.")
    assert action.expires is not None
    assert round((action.expires - action.at) / 86_400) == 30


def test_who_confirms_a_ban_may_say_otherwise(console: Console) -> None:
    """What the second person writes takes the place of what was proposed; other decisions have their usual words."""
    case, other = _proposed(console), _case(console, "shop:bob")
    lena = Somebody(console, "lena.lead")
    lena.post(f"/cases/{case}/claim")
    _outcome(lena, case, "ban", policy="2", reason="You sold cards.", lasts="10d")

    action = console.standing("shop:ann")
    assert (action.policy, action.reason) == ("2", "You sold cards.")
    assert action.expires is not None
    assert round((action.expires - action.at) / 86_400) == 10
    lena.post(f"/cases/{other}/claim")
    assert _chosen(lena.get(f"/cases/{other}").text) == "1"
    assert _outcome(lena, other, "warn").status_code == 303
    assert "passage 1" in console.standing("shop:bob").reason


def _hidden(page: str) -> str:
    """What the page shows as under review, as its form sends it."""
    found = re.search(r'name="shown" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def test_what_came_after_the_page_is_not_decided_by_it(console: Console) -> None:
    """A rule that acts again while somebody reads adds to the case: what he has not seen he does not take back."""
    first = by_rule(console.desk, account="shop:ann")
    work(console.desk)
    case = lookup.cases(console.desk, account="shop:ann")[0].id
    eva = Somebody(console, "eva")
    eva.post(f"/cases/{case}/claim")
    seen = _hidden(eva.get(f"/cases/{case}").text)
    second = by_rule(console.desk, account="shop:ann")
    work(console.desk)

    stale = _outcome(eva, case, "dismiss", shown=seen)

    assert stale.status_code == 409
    assert "acted again" in stale.text
    assert [lookup.action(console.desk, each.id).undone for each in (first, second)] == [False, False]
    assert _outcome(eva, case, "dismiss", shown=_hidden(eva.get(f"/cases/{case}").text)).status_code == 303
    assert [lookup.action(console.desk, each.id).undone for each in (first, second)] == [True, True]


def test_a_ban_is_confirmed_by_who_saw_that_it_waits(console: Console) -> None:
    """Who proposes a ban from a page on which nobody had does not thereby confirm another's."""
    case = _case(console)
    eva, ben = Somebody(console, "eva"), Somebody(console, "lena.lead")
    eva.post(f"/cases/{case}/claim")
    seen = _hidden(eva.get(f"/cases/{case}").text)
    eva.post(f"/cases/{case}/return")
    ben.post(f"/cases/{case}/claim")
    assert _outcome(ben, case, "ban").status_code == 303

    assert _outcome(eva, case, "ban", shown=seen).status_code == 409
    assert lookup.case(console.desk, case).state is State.PENDING


def test_until_when_is_said_with_its_zone(console: Console) -> None:
    """A reviewer elsewhere does not take a lease's end, or a suspension's, for a time of his own clock."""
    by_rule(console.desk, account="shop:ann")
    work(console.desk)
    eva = Somebody(console, "eva")
    case = lookup.cases(console.desk, account="shop:ann")[0].id
    eva.post(f"/cases/{case}/claim")

    page = eva.get(f"/cases/{case}").text

    ends = re.findall(r"(?:yours until|until) ([0-9: -]+)(.{3})", page)
    assert len(ends) >= 4
    assert {zone[:3] for _, zone in ends} == {"UTC"}


@pytest.mark.parametrize(
    ("place", "expected"), [("first", ["after"]), ("middle", ["before", "after"]), ("last", ["before"])]
)
def test_an_event_leads_to_those_that_are_there(console: Console, place: str, expected: list[str]) -> None:
    """Nothing is before the first event, and nothing after the last."""
    _case(console)
    head = console.ledger.head().seq
    seq = {"first": 1, "middle": 2, "last": head}[place]

    page = Somebody(console, "eva").get(f"/events/{seq}").text

    assert re.findall(r'<a href="/events/\d+">(\w+)</a>', page) == expected


def test_somebody_elses_case_cannot_be_decided(console: Console) -> None:
    """A case that one reviewer has is refused to another, and the page offers him no decision."""
    case = _case(console)
    Somebody(console, "eva").post(f"/cases/{case}/claim")
    lena = Somebody(console, "lena.lead")

    assert "with eva" in lena.get(f"/cases/{case}").text
    assert 'name="outcome"' not in lena.get(f"/cases/{case}").text
    assert lena.post(f"/cases/{case}/claim").status_code == 422
    assert _outcome(lena, case, "dismiss").status_code == 422


def test_a_copy_that_measures_looks_like_any_case(tmp_path: Path) -> None:
    """Nothing on the page of a golden copy tells it from its original: no word, no link, no source."""
    with opened(tmp_path) as console:
        case = _case(console)
        lena = Somebody(console, "lena.lead")
        lena.post(f"/cases/{case}/claim")
        _outcome(lena, case, "dismiss")
        golden.set_golden(console.desk, LEAD, case, Outcome.DISMISS)
        _case(console, "shop:bob")
        eva = Reviewer("eva", Role.REVIEWER)
        console.desk.office = console.setup().office
        rate = type(console.desk.office.cases)(golden_rate=0.5)
        console.desk.office = msgspec.structs.replace(console.desk.office, cases=rate)
        copy = queues.claim(console.desk, eva, chance=lambda: 0.0)

        assert copy is not None
        assert copy.golden == case
        page = Somebody(console, "eva").get(f"/cases/{copy.id}").text
        assert "golden" not in page.lower()
        assert case not in page


def test_notes_handing_over_and_escalating(console: Console) -> None:
    """A note is there for the next reader; a case can be handed to somebody, and escalated to a lead."""
    case = _case(console)
    eva = Somebody(console, "eva")
    eva.post(f"/cases/{case}/claim")
    assert eva.post(f"/cases/{case}/note", {"text": "Look at <b>this</b>."}).status_code == 303
    assert "Look at &lt;b&gt;this&lt;/b&gt;." in eva.get(f"/cases/{case}").text
    assert eva.post(f"/cases/{case}/hand-over", {"to": "nobody", "why": "x"}).status_code == 422

    assert eva.post(f"/cases/{case}/hand-over", {"to": "lena.lead", "why": "You know them."}).status_code == 303

    assert lookup.case(console.desk, case).assigned_to == "lena.lead"
    lena = Somebody(console, "lena.lead")
    lena.post(f"/cases/{case}/claim")
    assert lena.post(f"/cases/{case}/escalate", {"why": "Too big for me."}).status_code == 303
    assert lookup.case(console.desk, case).escalated


@pytest.mark.parametrize("to", ["aud.itor", "gone"])
def test_a_case_is_handed_over_to_somebody_who_takes_cases(console: Console, to: str) -> None:
    """For a day nobody else gets what was handed over: not to an auditor, who decides nothing, nor to who was shut
    out."""
    add(console.ledger, console.reviewers, "gone", Role.REVIEWER, by="tests")
    switch(console.ledger, console.reviewers, "gone", enabled=False, by="tests")
    case = _case(console)
    eva = Somebody(console, "eva")
    eva.post(f"/cases/{case}/claim")

    answer = eva.post(f"/cases/{case}/hand-over", {"to": to, "why": "x"})

    assert answer.status_code == 422
    assert f"<option>{to}</option>" not in eva.get(f"/cases/{case}").text
    assert lookup.case(console.desk, case).lease_by == "eva"


def test_an_auditor_reads_and_changes_nothing(console: Console) -> None:
    """An auditor sees the case and its content, recorded; the page offers no decision."""
    case = _case(console)
    auditor = Somebody(console, "aud.itor")

    page = auditor.get(f"/cases/{case}").text

    assert "Take this case" not in page
    assert "<textarea" not in page
    assert "PLACEHOLDER" in auditor.post(f"/cases/{case}/content", hx_request="true").text
    assert [body.by for body in auditor.events(Viewed)] == ["aud.itor"]


def test_a_fingerprint_is_added_from_what_was_seen(console: Console) -> None:
    """From an exchange the form comes filled in with the account's words, which is a look; added, they match."""
    _case(console)
    eva = Somebody(console, "eva")
    (row,) = console.search.exchanges("shop:ann")

    page = eva.post("/fingerprints-from", {"exchange": row.exchange}).text

    assert SECRET_WORDS in page
    assert eva.events(Viewed)
    fields = {"text": SECRET_WORDS, "source": "case", "reason": "seen", "category": "known_bad", "match": "both"}
    assert eva.post("/fingerprints", fields).status_code == 303
    assert "exact" in eva.post("/fingerprints-match", {"text": SECRET_WORDS}).text
    entry = console.known.entries()[0]
    assert eva.post("/fingerprints-disable", {"id": entry.id, "reason": "too broad"}).status_code == 303
    assert "Nothing in the bank matches" in eva.post("/fingerprints-match", {"text": SECRET_WORDS}).text


@pytest.mark.parametrize("format", ["jsonl", "csv", "threatexchange"])
def test_the_bank_goes_out_and_comes_in_again(console: Console, tmp_path: Path, format: str) -> None:
    """What one console gives out another takes in, whole or not at all."""
    lena = Somebody(console, "lena.lead")
    for n in range(3):
        fields = {"text": f"{SECRET_WORDS} number {n}, and some more words", "source": "s", "reason": "r"}
        lena.post("/fingerprints", fields)
    given = lena.get(f"/fingerprints-export?format={format}")
    assert given.headers["content-disposition"].startswith("attachment")
    folder = tmp_path / "other"
    folder.mkdir()

    with opened(folder) as other:
        there = Somebody(other, "lena.lead")
        file = {"file": ("bank", given.content, "application/octet-stream")}
        data = {"csrf": there.csrf, "format": format}
        broken = {"file": ("bank", given.content + b"\x00{", "application/octet-stream")}
        assert there.client.post("/fingerprints-import", data=data, files=broken).status_code == 422
        assert len(other.known.entries()) == 0
        assert there.client.post("/fingerprints-import", data=data, files=file).status_code == 303
        assert len(other.known.entries()) == 3


def test_an_open_page_keeps_the_case(console: Console) -> None:
    """A page that is open renews the lease, and only for who has the case."""
    case = _case(console)
    eva = Somebody(console, "eva")
    eva.post(f"/cases/{case}/claim")
    until = lookup.case(console.desk, case).lease_until

    assert eva.post(f"/cases/{case}/renew").status_code == 204

    assert lookup.case(console.desk, case).lease_until >= until
    assert Somebody(console, "lena.lead").post(f"/cases/{case}/renew").status_code == 422


def test_a_bulk_action_is_previewed_applied_and_taken_back(console: Console) -> None:
    """A plan changes nothing; applied it meets everybody named; taken back it is as before."""
    names = [f"shop:u{n}" for n in range(5)]
    for name in names:
        _case(console, name)
    lena = Somebody(console, "lena.lead")
    fields = {"accounts": "\n".join(names), "outcome": "suspend", "reason": "A ring.", "policy": "1", "lasts": "1d"}
    where = lena.post("/bulk", fields).headers["location"]
    assert "5 accounts" in lena.get(where).text
    assert {console.standing(name).standing for name in names} == {Standing.GOOD}

    assert lena.post(f"{where}/apply").status_code == 303
    assert {console.standing(name).standing for name in names} == {Standing.SUSPENDED}
    assert lena.post(f"{where}/undo", {"reason": "Wrong ring."}).status_code == 303

    assert {console.standing(name).standing for name in names} == {Standing.GOOD}
    assert lena.post("/bulk", {**fields, "accounts": " \n"}).status_code == 422
