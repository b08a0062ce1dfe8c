"""What the upstream, the log and the ledger's file never see: account ids, keys, words."""

import json

from tests.e2e.conftest import UPSTREAM_KEY
from tests.e2e.kit import ANTHROPIC, OPENAI, Gateway, question, said
from tests.e2e.loopback import Loopback


def test_the_upstream_sees_a_keyed_hash_of_the_account(shared: Gateway, upstream: Loopback) -> None:
    """The raw id never goes up, under any name; the hash is the same for one account on every wire."""
    shared.ask("[says] one of ann", OPENAI, user="ann@example.com")
    shared.ask("[says] two of ann", OPENAI, safety_identifier="ann@example.com")
    shared.ask("[says] three of ann", ANTHROPIC, metadata={"user_id": "ann@example.com"})
    shared.post(question("[says] four of ann", user="somebody"), X_Outworks_Account="ann@example.com")
    shared.ask("[says] one of bob", OPENAI, user="bob@example.com")

    calls = [upstream.asked(f"{n} of ann") for n in ("one", "two", "three", "four")]
    other = upstream.asked("one of bob")
    hashes = {call.json["safety_identifier"] for call in calls}
    assert len(hashes) == 1
    assert hashes.pop().startswith("ow_")
    assert other.json["safety_identifier"] not in hashes
    for call in calls:
        assert "ann@example.com" not in call.head + call.body.decode()
        assert "user" not in call.json


def test_the_upstream_sees_its_own_key_and_no_other(shared: Gateway, upstream: Loopback) -> None:
    """The client's key and headers stay here; the upstream's key comes from the environment."""
    answer = shared.post(
        question("[says] about keys"), X_Outworks_Account="ann", Cookie="session=1", X_Forwarded_For="192.0.2.7"
    )

    call = upstream.asked("about keys")
    assert answer.status == 200
    assert call.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    for secret in (shared.key, "x-outworks-account", "cookie", "192.0.2.7"):
        assert secret not in call.head.lower() + call.body.decode()


def test_usage_in_streams_is_asked_for_and_passed_only_where_wanted(shared: Gateway, upstream: Loopback) -> None:
    """The gateway always learns the usage; an OpenAI client sees it in the stream only if it asked."""
    plain = shared.ask("[says] usage, plain", stream=True)
    wanted = shared.ask("[says] usage, wanted", stream=True, stream_options={"include_usage": True})

    assert upstream.asked("usage, plain").json["stream_options"] == {"include_usage": True}
    assert b'"total_tokens":16' in wanted.body
    assert b"total_tokens" not in plain.body
    assert said(plain.body).whole


def test_the_log_has_no_content_and_no_secret(shared: Gateway) -> None:
    """One line an exchange, in JSON: who, how long and with what outcome, never a word of it or a key."""
    answer = shared.ask("[says] the log must not hold this")
    shared.post(question("nor this"), key="ow_a-wrong-key")
    shared.post(b'{"messages": "nor this either"}')

    lines = [json.loads(line) for line in shared.log.splitlines() if line.startswith("{")]
    assert next(line for line in lines if line["exchange"] == answer.id)["outcome"] == "released"
    for secret in ("hold this", "nor this", shared.key, "ow_a-wrong-key", UPSTREAM_KEY):
        assert secret not in shared.log


def test_no_key_is_in_the_ledger(shared: Gateway) -> None:
    """Only a key's hash is stored; the ledger and the secret are for their owner alone."""
    files = [path for path in shared.folder.iterdir() if path.name.startswith("outworks.")]
    for path in files:
        data = path.read_bytes()
        assert shared.key.encode() not in data
        assert UPSTREAM_KEY.encode() not in data
    for name in ("outworks.db", "outworks.secret"):
        assert (shared.folder / name).stat().st_mode & 0o077 == 0
