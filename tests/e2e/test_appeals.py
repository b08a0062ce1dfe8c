"""Over the wire, with a gateway in a process of its own: misuse, action, notice, appeal, answer, and standing again."""

import time
from typing import Any

from outworks.enforcement.desk import decisions, lookup
from outworks.enforcement.desk.cases import Outcome
from outworks.enforcement.desk.desk import Desk
from outworks.enforcement.desk.roles import Reviewer, Role
from outworks.event import Acted, Appealed, CaseDecided, Notified
from outworks.ledger import Ledger, verify
from tests.e2e.conftest import Make
from tests.e2e.kit import Gateway, wait_for

RULES = """
[[rules]]
name = "warn"
description = "Insists."
when = 'blocked("1h") >= 2'
action = "warn"
expires = "1d"

[[rules]]
name = "stop"
description = "Insists after a warning."
when = 'blocked("1h") >= 4'
action = "suspend"
expires = "1d"
policy = "Usage policy, 1"
"""
BEN = Reviewer("ben", Role.REVIEWER)
JSON = {"content_type": "application/json"}


def suspended(gateway: Gateway) -> Any:
    """Insist until the gateway answers 403; that answer."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        answer = gateway.ask("hi", user="ann", temperature=1.9)
        if answer.status == 403:
            return answer
        time.sleep(0.2)
    raise AssertionError("never suspended")


def test_from_misuse_to_overturn(make: Make) -> None:
    """An account insists, is warned, then suspended; the error says where to appeal; it appeals there; a reviewer
    overturns; its requests are answered again; each step is told once, and the ledger verifies."""
    gateway = make(more=RULES)
    gateway.add_key()
    gateway.start()
    answer = suspended(gateway)
    url = answer.json["error"]["outworks"]["appeal_url"]
    assert answer.headers["x-outworks-appeal-url"] == url

    read = gateway.get(url)
    sent = gateway.post({"text": "A class was using one prompt."}, url, key="", **JSON)
    again = gateway.post({"text": "And again."}, url, key="", **JSON)

    assert (read.json["decision"], read.json["policy"]) == ("suspended", "Usage policy, 1")
    assert (sent.status, again.status) == (201, 409)
    with Ledger.open(gateway.ledger) as ledger:
        desk = Desk(ledger)
        wait_for(lambda: bool(lookup.cases(desk, queue="appeals")), 10)
        case = lookup.cases(desk, queue="appeals")[0]
        made = decisions.decide(desk, BEN, case.id, Outcome.OVERTURN, reason="A classroom.")
        wait_for(lambda: gateway.ask("hi", user="ann").status == 200, 10)
        wait_for(lambda: len(gateway.bodies(Notified)) == 3, 10)
        desk.close()

    assert gateway.get(url).json["appeal"] == "overturned"
    assert [body.code for body in gateway.bodies(Notified)] == ["warned", "suspended", "overturned"]
    assert [(body.id, body.rule, body.holds) for body in gateway.bodies(CaseDecided)] == [(made.id, "stop", False)]
    assert len(gateway.bodies(Appealed)) == 1
    assert gateway.stop() == 0
    assert verify(gateway.ledger).ok


def test_notices_survive_a_kill(make: Make) -> None:
    """Killed again and again while it acts and tells, the gateway in the end has told each action exactly once."""
    gateway = make(more=RULES.replace('expires = "1d"', 'expires = "1s"'))
    gateway.add_key()
    for round in range(2):
        gateway.start()
        for n in range(5):
            for _ in range(3):
                gateway.ask("hi", user=f"u{round}-{n}", temperature=1.9)
        gateway.kill_all()
    gateway.start()
    # The ledger is gone over in order: once this account is acted on, every one before it is.
    for _ in range(2):
        gateway.ask("hi", user="last", temperature=1.9)
    wait_for(lambda: any(body.action.account.endswith("last") for body in gateway.bodies(Acted)), 20)
    acted = {body.action.id for body in gateway.bodies(Acted)}
    wait_for(lambda: {body.about for body in gateway.bodies(Notified)} >= acted, 20)

    assert len(acted) >= 11
    assert sorted(body.about for body in gateway.bodies(Notified)) == sorted(acted)


def test_two_workers_take_appeals_and_reports(make: Make, policy: str) -> None:
    """With two workers behind one address an appeal is taken once, whichever gets it; reports by either open a case."""
    gateway = make(text=policy.replace("[gateway]", "[gateway]\nworkers = 2"), more=RULES)
    gateway.add_key()
    gateway.start()
    url = suspended(gateway).json["error"]["outworks"]["appeal_url"]

    codes = sorted(gateway.post({"text": "x"}, url, key="", **JSON).status for _ in range(4))
    reports = [gateway.post({"account": "ann", "reason": "rude"}, "/v1/reports").status for _ in range(4)]

    assert codes == [201, 409, 409, 409]
    assert reports == [202] * 4
    with Ledger.open(gateway.ledger) as ledger:
        desk = Desk(ledger)
        wait_for(lambda: {case.queue for case in lookup.cases(desk)} == {"rules", "appeals", "reports"}, 10)
        wait_for(lambda: len(lookup.cases(desk, queue="reports")[0].reports) == 4, 10)
        desk.close()
