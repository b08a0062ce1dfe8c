"""Two workers, reloads, shutdown: what is decided holds everywhere within a second, and nothing in flight is lost."""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from outworks.event import Released
from tests.e2e.conftest import Make
from tests.e2e.kit import HUP, KILL, TERM, Gateway, children, question, read_all, said, wait_for

SECOND = 1.0
"""In which workers follow what was recorded."""
TRIES = 24
"""Fresh connections at a time: with two workers, each of them gets some."""


@pytest.fixture(scope="module")
def two(policy: str, environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with two workers."""
    text = policy.replace("[gateway]", "[gateway]\nworkers = 2", 1)
    gateway = Gateway(tmp_path_factory.mktemp("two"), text, environ=environ)
    gateway.add_key()
    try:
        gateway.start()
        wait_for(lambda: len(children(gateway.pid)) == 2, 10)
        yield gateway
    finally:
        gateway.stop()


def statuses(gateway: Gateway, text: str = "hi", **fields: object) -> set[tuple[int, str]]:
    """What fresh connections are answered: by whichever worker comes first, and by each worker alone."""
    found = set()
    for _ in range(TRIES):
        found.add(_status(gateway, text, fields))
    for pid in children(gateway.pid):
        os.kill(pid, signal.SIGSTOP)
        try:
            found.add(_status(gateway, text, fields))
        finally:
            os.kill(pid, signal.SIGCONT)
    return found


def _status(gateway: Gateway, text: str, fields: dict[str, object]) -> tuple[int, str]:
    answer = gateway.ask(text, **{"model": "scripted", **fields})
    return answer.status, answer.code if answer.status != 200 else ""


def test_workers_agree_on_a_ban(two: Gateway) -> None:
    """Within a second of a ban, and of its undoing, both workers refuse the account, and admit it again."""
    assert statuses(two, user="eve") == {(200, "")}

    acted = two.cli("accounts", "act", "shop:eve", "banned", "--reason", "Spam.", "--expires", "never")
    assert acted.returncode == 0, acted.stderr
    time.sleep(SECOND)
    assert statuses(two, user="eve") == {(403, "account_banned")}
    assert statuses(two, user="adam") == {(200, "")}

    undone = two.cli("accounts", "undo", acted.stdout.split("undo ")[1].split()[0], "--reason", "A mistake.")
    assert undone.returncode == 0, undone.stderr
    time.sleep(SECOND)
    assert statuses(two, user="eve") == {(200, "")}


def test_workers_follow_the_bank(two: Gateway) -> None:
    """A fingerprint that is added stops its text within a second; switched off, it stops nothing."""
    text = "seven grey herons carry the ledger of drowned clocks upstream before the bell"
    assert statuses(two, text) == {(200, "")}

    added = two.cli("fingerprints", "add", text, "--source", "tests", "--reason", "to be found")
    assert added.returncode == 0, added.stderr
    time.sleep(SECOND)
    assert {status for status, _ in statuses(two, text.upper())} == {400}

    off = two.cli("fingerprints", "disable", added.stdout.split()[0], "--reason", "was too broad")
    assert off.returncode == 0, off.stderr
    time.sleep(SECOND)
    assert statuses(two, text) == {(200, "")}


def test_workers_follow_keys(two: Gateway) -> None:
    """A new key works within a second, and a revoked one no longer does."""
    first = two.key
    try:
        two.add_key("kiosk")
        time.sleep(SECOND)
        assert statuses(two) == {(200, "")}

        revoked = two.cli("keys", "revoke", "kiosk")
        assert revoked.returncode == 0, revoked.stderr
        time.sleep(SECOND)
        assert statuses(two) == {(401, "invalid_api_key")}
    finally:
        two.key = first


def test_a_worker_that_dies_is_replaced(two: Gateway) -> None:
    """A killed worker has a successor, and the other answers meanwhile."""
    before = children(two.pid)
    os.kill(before[0], signal.SIGKILL)

    assert two.ask("hi", model="scripted").status == 200
    wait_for(lambda: len(set(children(two.pid)) - {before[0]}) == 2, 10)
    assert f"worker {before[0]} died" in two.log
    time.sleep(SECOND)
    assert statuses(two) == {(200, "")}


class Stream(threading.Thread):
    """A streamed answer that takes its time, read while other things happen."""

    def __init__(self, gateway: Gateway, words: str) -> None:
        super().__init__(daemon=True)
        body = question(f"[slowly] {words}", model="patient", stream=True)
        self._connection = gateway.connect()
        self._connection.sendall(gateway.send_head(body, "/v1/chat/completions", "connection: close"))
        self._head = self._connection.recv(65_536)
        self._data = b""
        self.start()

    def run(self) -> None:
        self._data = read_all(self._connection)

    @property
    def id(self) -> str:
        return self._head.split(b"x-request-id: ")[1].split(b"\r\n")[0].decode()

    def end(self, seconds: float = 15) -> str:
        """The text, once the stream has ended by itself."""
        self.join(seconds)
        assert not self.is_alive()
        answer = said(self._head.partition(b"\r\n\r\n")[2] + self._data)
        self.whole = answer.whole
        return answer.text


LONG = "so it goes, on and on, and then it ends. " * 4
"""About 1.2 seconds of a slow stream."""


def test_workers_end_with_their_supervisor(make: Make, policy: str) -> None:
    """However it dies: nobody could reload or stop them, and they would keep the address from its successor."""
    gateway = make(text=policy.replace("[gateway]", "[gateway]\nworkers = 2", 1)).start()
    wait_for(lambda: len(children(gateway.pid)) == 2, 10)
    workers = children(gateway.pid)

    gateway.signal(KILL)
    gateway.wait()

    try:
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 10)
    finally:
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, KILL)
    gateway.start()


def test_a_reload_takes_effect_and_spares_what_is_in_flight(two: Gateway, policy: str) -> None:
    """SIGHUP: the new policy holds in both workers, and a stream that began under the old one comes to its end."""
    text = policy.replace("[gateway]", "[gateway]\nworkers = 2", 1)
    stream = Stream(two, LONG)
    two.write(text + "\n[defenses.parameter_lock]\nallow = { temperature = { type = 'number', max = 0.1 } }\n")
    assert statuses(two, temperature=0.7) == {(200, "")}

    two.signal(HUP)
    wait_for(lambda: two.log.count("is in force") >= 2, 10, lambda: two.log)

    assert statuses(two, temperature=0.7) == {(400, "parameter_refused")}
    assert stream.end() == LONG.strip()
    assert stream.whole


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_while_it_starts_ends_nothing(make: Make, policy: str, workers: int) -> None:
    """SIGHUP at any moment of a start is taken up once somebody can: the policy of then is in force."""
    gateway = make(text=policy.replace("[gateway]", f"[gateway]\nworkers = {workers}", 1), prelude=_SLOW_START)
    gateway.add_key()
    gateway.start(wait=False)
    locked = policy + "\n[defenses.parameter_lock]\nallow = { temperature = { type = 'number', max = 0.1 } }\n"
    wait_for(lambda: "the policy is loaded" in gateway.log, 20, lambda: gateway.log)

    gateway.write(locked.replace("[gateway]", f"[gateway]\nworkers = {workers}", 1))
    for _ in range(20):
        gateway.signal(HUP)
        time.sleep(0.1)
    wait_for(lambda: _is(gateway, {(400, "parameter_refused")}), 20, lambda: gateway.log)

    assert "died" not in gateway.log


def test_a_reload_before_it_has_begun_ends_nothing(make: Make) -> None:
    """SIGHUP while the program itself is still being read: there is no policy yet that could be loaded anew."""
    gateway = make(prelude=_HANGUP)
    gateway.add_key()

    gateway.start()

    assert statuses(gateway) == {(200, "")}


_HANGUP = (
    "import os, signal, sys; hang_up = lambda name, *_: os.kill(os.getpid(), signal.SIGHUP) "
    "if name == 'outworks.cli' else None; "
    "sys.meta_path.insert(0, type('Finder', (), {'find_spec': staticmethod(hang_up)})); "
)
"""A hangup as soon as anything of the command line is imported."""
_SLOW_START = (
    "import sys, time; import outworks.cli.serve; s = sys.modules['outworks.cli.serve']; load = s.load_policy; "
    "s.load_policy = lambda path: (load(path), print('the policy is loaded', flush=True), time.sleep(1))[0]; "
)
"""Between loading the policy and serving it, time for a hangup."""


def _is(gateway: Gateway, wanted: set[tuple[int, str]]) -> bool:
    try:
        return statuses(gateway, temperature=0.7) == wanted
    except OSError:
        return False


def test_a_worker_that_starts_after_a_reload_starts_with_it(make: Make, policy: str) -> None:
    """A replaced worker has the policy that was last loaded: a lock put on by SIGHUP is not off after a crash."""
    text = policy.replace("[gateway]", "[gateway]\nworkers = 2", 1)
    gateway = make(text=text)
    gateway.add_key()
    gateway.start()
    wait_for(lambda: len(children(gateway.pid)) == 2 and _answers(gateway), 20, lambda: gateway.log)
    gateway.write(text + "\n[defenses.parameter_lock]\nallow = { temperature = { type = 'number', max = 0.1 } }\n")
    gateway.signal(HUP)
    wait_for(lambda: gateway.log.count("is in force") >= 2, 10, lambda: gateway.log)
    old = set(children(gateway.pid))

    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(set(children(gateway.pid)) - old) == 2, 15, lambda: gateway.log)
    wait_for(lambda: _answers(gateway), 15, lambda: gateway.log)

    assert statuses(gateway, temperature=0.7) == {(400, "parameter_refused")}


def _answers(gateway: Gateway) -> bool:
    try:
        return statuses(gateway) == {(200, "")}
    except OSError:
        return False


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("\n[defenses.leek]\nmode = 'live'\n", "leek"),
        ("\n[defenses.fingerprint]\nnear = 7\n", "near"),
        ("\nthis is no toml", "not TOML"),
    ],
)
def test_a_bad_policy_is_refused_and_the_old_one_stays(two: Gateway, policy: str, more: str, why: str) -> None:
    """SIGHUP with a faulty file: the log says what is wrong, and everything goes on as it was."""
    held = _pids_and(lambda: statuses(two), two)
    at = len(two.log)
    two.write(policy.replace("[gateway]", "[gateway]\nworkers = 2", 1) + more)

    two.signal(HUP)
    wait_for(lambda: two.log[at:].count("the old one stays in force") == 2, 10, lambda: two.log[at:])

    assert why in two.log[at:]
    assert _pids_and(lambda: statuses(two), two) == held


def _pids_and(what: Callable[[], object], gateway: Gateway) -> tuple[object, list[int]]:
    return what(), children(gateway.pid)


@pytest.mark.parametrize("workers", [1, 2])
def test_exchanges_do_not_run_out_of_files(make: Make, policy: str, workers: int) -> None:
    """An exchange holds two connections: the limit that a system begins with is raised as far as it may be."""
    few = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (256, r.getrlimit(r.RLIMIT_NOFILE)[1]));"
    text = policy.replace("[gateway]", f"[gateway]\nworkers = {workers}", 1)
    gateway = make(text=text, prelude=few).start()

    for pid in (gateway.pid, *(children(gateway.pid) if workers > 1 else ())):
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        assert soft == min(hard, 65_536) > 256


@pytest.mark.parametrize("workers", [1, 2])
def test_shutdown_lets_streams_end(make: Make, policy: str, workers: int) -> None:
    """SIGTERM: nobody new is let in, a stream within the time comes to its end, the ledger is closed clean."""
    gateway = make(text=policy.replace("[gateway]", f"[gateway]\nworkers = {workers}", 1))
    gateway.add_key()
    gateway.start()
    stream = Stream(gateway, LONG)

    gateway.signal(TERM)
    text = stream.end()

    assert (text, stream.whole) == (LONG.strip(), True)
    assert gateway.wait(10) == 0
    recorded = [event for event in gateway.events(stream.id) if isinstance(event.body, Released)]
    assert "".join(event.content or "" for event in recorded) == text
    assert gateway.cli("ledger", "verify").returncode == 0


def test_shutdown_waits_no_longer_than_told(make: Make) -> None:
    """A stream that would outlast `shutdown_seconds` is cut; what its client got is recorded, and why it ended."""
    gateway = make()
    gateway.add_key()
    gateway.start()
    stream = Stream(gateway, "word " * 400)
    began = time.monotonic()

    gateway.signal(TERM)
    text = stream.end()

    assert not stream.whole
    gateway.wait(10)
    assert time.monotonic() - began < 8
    events = gateway.events(stream.id)
    released = "".join(e.content or "" for e in events if isinstance(e.body, Released))
    assert text
    assert released.startswith(text)
    assert getattr(events[-1].body, "why", "") == "shut_down"


def test_whoever_is_cut_by_a_shutdown_is_told(make: Make) -> None:
    """A client that still waits gets an error that its retries understand, whole or streamed; no fault is logged."""
    gateway = make()
    gateway.add_key()
    gateway.start()
    waiting = [gateway.connect() for _ in range(2)]
    for connection, text in zip(waiting, ("[hang]", "[then hang] Once upon a time"), strict=True):
        connection.sendall(gateway.send_head(question(text, model="patient", stream=text != "[hang]")))
    time.sleep(1)

    gateway.signal(TERM)
    head, _, whole = read_all(waiting[0]).partition(b"\r\n\r\n")
    streamed = read_all(waiting[1])

    assert head.startswith(b"HTTP/1.1 503 ")
    assert (said(whole).error, said(streamed).error) == ("shutting_down", "shutting_down")
    assert gateway.wait(10) == 0
    assert "Exception" not in gateway.log
