"""Sign-in: passwords, links, sessions, and what happens to those who try too often."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from outworks.console import reviewers
from outworks.console.attempts import PER_ADDRESS, PER_NAME_AND_ADDRESS, WINDOW_SECONDS, Attempts
from outworks.console.console import Console
from outworks.console.passwords import Passwords, check_password
from outworks.console.sessions import LINK_SECONDS, Sessions
from outworks.console.settings import Settings
from outworks.enforcement.desk.roles import Role
from outworks.event import SignedIn
from tests.console.kit import Somebody, opened, setup

PASSWORD = "correct horse battery"


@pytest.fixture
def somebody(console: Console) -> Somebody:
    """A browser at the sign-in form of a console where eva has a password."""
    console.passwords.set("eva", PASSWORD)
    return Somebody(console)


def _try(somebody: Somebody, name: str, password: str):
    return somebody.post("/signin", {"name": name, "password": password})


def test_the_right_password_signs_in(somebody: Somebody) -> None:
    """Name and password lead to the first page, in a session that only the server can read."""
    answer = _try(somebody, "eva", PASSWORD)

    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert somebody.get("/").status_code == 200
    assert [body.by for body in somebody.events(SignedIn)] == ["person:eva"]


def test_a_wrong_password_and_an_unknown_name_look_alike(somebody: Somebody) -> None:
    """Nothing in the answer tells whether the name exists."""
    wrong = _try(somebody, "eva", "not the password")
    unknown = _try(somebody, "eve", "not the password")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace("eva", "eve") == unknown.text
    assert somebody.events(SignedIn) == []


def test_an_unknown_name_costs_the_same_check(somebody: Somebody, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known, unknown and shut-out names each cost exactly one argon2 check with the same parameters."""
    checked: list[str] = []
    passwords = somebody.console.passwords
    verify = type(passwords._hasher).verify

    def counted(hasher, known, given):
        checked.append(known.rsplit("$", 2)[0])
        return verify(hasher, known, given)

    monkeypatch.setattr(type(passwords._hasher), "verify", counted)
    for name, may in (("eva", True), ("eve", True), ("eva", False)):
        passwords.holds(name, "not the password", may=may)

    assert len(checked) == 3
    assert len(set(checked)) == 1


def test_somebody_shut_out_does_not_get_in(somebody: Somebody) -> None:
    """The right password of somebody who was shut out is worth nothing."""
    reviewers.switch(somebody.console.ledger, somebody.console.reviewers, "eva", enabled=False, by="ada.admin")

    assert _try(somebody, "eva", PASSWORD).status_code == 401


def test_too_many_attempts_have_to_wait(somebody: Somebody) -> None:
    """After five failures even the right password waits, and so does a name that does not exist."""
    for name in ("eva", "nobody"):
        for _ in range(PER_NAME_AND_ADDRESS):
            assert _try(somebody, name, "wrong wrong wrong").status_code == 401

        answer = _try(somebody, name, PASSWORD)

        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= WINDOW_SECONDS + 1


def test_one_address_cannot_go_through_many_names(console: Console) -> None:
    """An address that fails with ever new names waits as well, and others need not."""
    now = [1000.0]
    attempts = Attempts(console.store, clock=lambda: now[0])
    for n in range(PER_ADDRESS):
        assert attempts.begin(f"name{n}", "10.0.0.1") == 0

    assert attempts.begin("eva", "10.0.0.1") == WINDOW_SECONDS
    assert attempts.begin("eva", "10.0.0.2") == 0
    now[0] += WINDOW_SECONDS
    assert attempts.begin("eva", "10.0.0.1") == 0


def test_attempts_at_once_are_counted_as_they_begin(somebody: Somebody, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twenty guesses at once five are looked at, however long a look takes; the others wait."""
    passwords = somebody.console.passwords
    looked: list[str] = []
    all_in = threading.Event()

    def slow(name: str, password: str, *, may: bool) -> bool:
        looked.append(password)
        all_in.wait(10)
        return False

    monkeypatch.setattr(passwords, "holds", slow)
    browsers = [Somebody(somebody.console) for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(_try, each, "eva", f"guess {n:06}") for n, each in enumerate(browsers)]
        deadline = time.monotonic() + 20
        while sum(each.done() for each in asked) < 20 - PER_NAME_AND_ADDRESS and time.monotonic() < deadline:
            time.sleep(0.01)
        all_in.set()
        codes = sorted(each.result().status_code for each in asked)

    assert codes == [401] * PER_NAME_AND_ADDRESS + [429] * (20 - PER_NAME_AND_ADDRESS)
    assert len(looked) == PER_NAME_AND_ADDRESS


def test_the_right_password_works_beside_wrong_ones(somebody: Somebody) -> None:
    """Within the limit, attempts that are under way keep nobody out, and who got in has all five again."""
    attempts = somebody.console.attempts
    for _ in range(PER_NAME_AND_ADDRESS - 1):
        assert attempts.begin("eva", "testclient") == 0

    assert _try(somebody, "eva", PASSWORD).status_code == 303

    assert somebody.console.store.rows("SELECT count(*) FROM attempt") == [(0,)]


def test_a_new_password_counts_its_attempts_too(console: Console) -> None:
    """Whoever found a session open guesses the present password five times, and the right one forgets the guesses."""
    console.passwords.set("eva", PASSWORD)
    eva = Somebody(console, "eva")
    new = "another horse entirely"
    for _ in range(PER_NAME_AND_ADDRESS - 1):
        eva.post("/settings/password", {"old": "wrong", "new": new, "again": new})
    assert eva.post("/settings/password", {"old": PASSWORD, "new": new, "again": new}).status_code == 303

    codes = [
        eva.post("/settings/password", {"old": "wrong", "new": new, "again": new}).status_code
        for _ in range(PER_NAME_AND_ADDRESS + 1)
    ]

    assert codes == [403] * PER_NAME_AND_ADDRESS + [429]


def test_signing_in_never_takes_up_an_old_session(somebody: Somebody) -> None:
    """A token that was planted before is not the session's afterwards, and an older session of the browser ends."""
    old = somebody.console.sessions.begin("eva", "password").token
    somebody.client.cookies.set(somebody.console.cookie, old)

    answer = _try(somebody, "eva", PASSWORD)

    assert old not in answer.headers["set-cookie"]
    assert somebody.console.sessions.find(old) is None


def test_signing_out_ends_the_session_on_the_server(console: Console) -> None:
    """A copy of the cookie is worth nothing after signing out."""
    eva = Somebody(console, "eva")
    token = eva.client.cookies[console.cookie]

    assert eva.post("/signout").status_code == 303

    assert console.sessions.find(token) is None


def test_sessions_end_by_themselves(console: Console) -> None:
    """A session ends after its time, and earlier when it is idle."""
    now = [1000.0]
    sessions = Sessions(console.store, lasts=100.0, idle=30.0, clock=lambda: now[0])
    busy = sessions.begin("eva", "password").token
    idle = sessions.begin("eva", "password").token
    for _ in range(4):
        now[0] += 24
        assert sessions.find(busy) is not None

    assert sessions.find(idle) is None
    now[0] += 5
    assert sessions.find(busy) is None


def test_only_hashes_of_tokens_are_kept(console: Console) -> None:
    """Whoever reads the console's file cannot sign in with what is in it."""
    session = console.sessions.begin("eva", "password")
    link = console.sessions.link("eva")

    kept = (console.ledger.path.with_suffix(".console")).read_bytes()
    kept += console.ledger.path.with_suffix(".console").with_name("ledger.console-wal").read_bytes()
    assert session.token.encode() not in kept
    assert link.encode() not in kept


def test_a_link_signs_in_once(console: Console) -> None:
    """A one-time link opens a session; looking at it does not use it up, using it does."""
    token = console.sessions.link("eva")
    somebody = Somebody(console)
    assert somebody.get(f"/start/{token}").status_code == 200

    first = somebody.post("/start", {"token": token})
    second = Somebody(console).post("/start", {"token": token})

    assert first.status_code == 303
    assert somebody.get("/").status_code == 200
    assert second.status_code == 403


def test_a_link_has_its_hour(console: Console) -> None:
    """After an hour a link is worth nothing; one for somebody who was shut out neither."""
    now = [1000.0]
    sessions = Sessions(console.store, lasts=1.0, idle=1.0, clock=lambda: now[0])
    token = sessions.link("eva")
    now[0] += LINK_SECONDS + 1

    assert sessions.take_link(token) is None
    fresh = console.sessions.link("eva")
    reviewers.switch(console.ledger, console.reviewers, "eva", enabled=False, by="ada.admin")
    assert Somebody(console).post("/start", {"token": fresh}).status_code == 403


def test_a_new_password_ends_other_sessions(console: Console) -> None:
    """Whoever else is signed in under the name is out, and the present password is needed."""
    console.passwords.set("eva", PASSWORD)
    here, there = Somebody(console, "eva"), Somebody(console, "eva")
    new = "another horse entirely"

    assert here.post("/settings/password", {"old": "wrong", "new": new, "again": new}).status_code == 403
    assert here.post("/settings/password", {"old": PASSWORD, "new": new, "again": "x" * 12}).status_code == 422
    assert here.post("/settings/password", {"old": PASSWORD, "new": new, "again": new}).status_code == 303

    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 303
    assert console.passwords.holds("eva", new, may=True)


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaa", "x" * 300])
def test_bad_passwords_are_refused(password: str) -> None:
    """Too short, too simple and endless passwords are refused."""
    with pytest.raises(ValueError, match="password"):
        check_password(password, "eva")


def test_hashes_are_argon2id(console: Console) -> None:
    """What is kept of a password is an argon2id hash."""
    console.passwords.set("eva", PASSWORD)

    ((kept,),) = console.store.rows("SELECT hash FROM password WHERE name = 'eva'")
    assert kept.startswith("$argon2id$")


def test_behind_tls_the_cookie_is_bound_to_the_host(tmp_path) -> None:
    """With an https address the cookie is Secure, and has the prefix that keeps other hosts from setting it."""
    with opened(tmp_path, setup(settings=Settings(url="https://review.example.com"))) as console:
        console.passwords.set("eva", PASSWORD)
        somebody = Somebody(console)
        answer = somebody.client.post(
            "https://review.example.com/signin", data={"name": "eva", "password": PASSWORD}, follow_redirects=False
        )

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-outworks=")
    assert "Secure" in cookie
    assert "strict-transport-security" in answer.headers


def test_the_last_admin_stays(console: Console) -> None:
    """The only admin can neither be shut out nor made something else."""
    ada = Somebody(console, "ada.admin")

    assert ada.post("/reviewers/ada.admin/role", {"role": "reviewer"}).status_code == 422
    assert ada.post("/reviewers/ada.admin/disable").status_code == 422
    person = console.reviewers.find("ada.admin")
    assert person is not None
    assert person.role is Role.ADMIN


def test_an_admin_lets_somebody_in(console: Console) -> None:
    """The page after adding somebody shows a link that works; the same name is not given twice."""
    page = Somebody(console, "ada.admin").post("/reviewers", {"name": "new.one", "role": "lead"})
    token = page.text.split("/start/")[1].split("<")[0]

    newcomer = Somebody(console)
    assert newcomer.post("/start", {"token": token}).status_code == 303
    assert "lead" in newcomer.get("/").text
    again = Somebody(console, "ada.admin").post("/reviewers", {"name": "NEW.one", "role": "lead"})
    assert again.status_code == 422


def test_the_hasher_is_the_strong_one(console: Console) -> None:
    """The console does not weaken argon2's parameters: 64 MiB and 3 rounds at least."""
    hasher = Passwords(console.store)._hasher  # as the console makes it, where no test says otherwise

    assert hasher.memory_cost >= 65_536
    assert hasher.time_cost >= 3
