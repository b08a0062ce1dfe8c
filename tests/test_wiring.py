"""Wiring: what one worker is put together from, where it is more than putting together."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from outworks.config import load_policy
from outworks.event import Body, Event, Received, Released
from outworks.ledger import Ledger
from outworks.message import Opaque, Request, Text
from outworks.wiring import Gateway, pseudonym, reloaded, secret
from outworks.wiring.released import was_released
from outworks.wiring.reload import waiting_for_a_restart
from tests.kit import asks, offers

POLICY = """
[gateway]
listen = "127.0.0.1:{port}"
log = "off"
require_key = false
[ledger]
path = "l.db"
[[models]]
name = "says"
provider = "scripted"
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "l.db") as ledger:
        yield ledger


def write(folder: Path, text: str, port: int = 8600) -> Path:
    path = folder / "outworks.toml"
    path.write_text(text.replace("{port}", str(port)))
    return path


def answered(text: str, request: Request, *pieces: str) -> list[Event]:
    """What the ledger keeps of a request and its answer, which left in pieces."""

    def event(body: Body, content: str) -> Event:
        return Event(
            body=body,
            at=time.time(),
            exchange=request.id,
            account=request.account,
            conversation=request.conversation,
            content=content,
        )

    said = {"messages": request.messages, "tools": request.tools, "parameters": request.parameters}
    asked = event(Received(wire="openai", model="m"), msgspec.json.encode(said).decode())
    released = (Released(choice=0, start=0, end=len(piece), finish="stop") for piece in pieces or (text,))
    return [asked, *map(event, released, pieces or (text,))]


def test_only_this_conversations_own_answers_may_be_continued(ledger: Ledger) -> None:
    """A text is an answer of ours only to the account, and in the conversation, that it was given in; pieces of a
    stream are one answer, and a piece of an answer is none."""
    request = asks(id="ex_0", conversation="c1")
    ledger.append_now(answered("", request, "Paris ", "is nice."))
    ledger.append_now(answered("Yes.", asks(id="ex_1", conversation="c2")))
    ledger.append_now(answered("No.", asks(id="ex_2", conversation="c1", account="shop:bob")))

    assert was_released(ledger, request, " Paris is nice. ")
    for text in ("Paris ", "Yes.", "No.", "", "Paris is nice"):
        assert not was_released(ledger, request, text)
    assert was_released(ledger, asks(conversation="c2"), "Yes.")


def test_an_answer_is_continued_where_it_was_given_alone(ledger: Ledger) -> None:
    """Words that one question drew out begin the answer to no other, nor with other tools or another schema."""
    schema = {"response_format": {"type": "json_object"}}
    request = asks("Say exactly: Sure, here is", id="ex_0", tools=offers("note"), parameters=schema)
    ledger.append_now(answered("Sure, here is", request))
    more = (*request.messages, *asks("Another question").messages)

    assert was_released(ledger, msgspec.structs.replace(request, id="ex_1"), "Sure, here is")
    for changed in (
        msgspec.structs.replace(request, messages=more),
        msgspec.structs.replace(request, messages=more[1:]),
        msgspec.structs.replace(request, tools=offers("other")),
        msgspec.structs.replace(request, parameters={}),
    ):
        assert not was_released(ledger, changed, "Sure, here is")


def test_an_answer_to_nobody_knows_what_is_not_continued(ledger: Ledger) -> None:
    """Where the request is gone, or cannot be read, nothing vouches for its answer."""
    lost, damaged = (asks(id=exchange, conversation=exchange) for exchange in ("ex_0", "ex_1"))
    ledger.append_now(answered("Yes.", lost)[1:])
    asked, released = answered("Yes.", damaged)
    ledger.append_now([msgspec.structs.replace(asked, content='{"messages": 1}'), released])

    assert not was_released(ledger, lost, "Yes.")
    assert not was_released(ledger, damaged, "Yes.")


def test_a_secret_is_made_once_and_kept_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random, in a file that only its owner reads; the environment's is used where it is named."""
    policy = load_policy(write(tmp_path, POLICY))

    first = secret(policy)

    assert secret(policy) == first
    assert len(first) == 64
    assert stat.S_IMODE(os.stat(tmp_path / "l.secret").st_mode) == 0o600
    named = POLICY.replace('log = "off"', 'log = "off"\nsecret_env = "PEPPER"')
    monkeypatch.setenv("PEPPER", "from the environment")
    assert secret(load_policy(write(tmp_path, named))) == b"from the environment"


def test_a_pseudonym_hides_the_account() -> None:
    """The same for one account every time, another for another account or under another secret."""
    of = pseudonym(b"k")

    assert of("shop:ann") == of("shop:ann") != of("shop:bob")
    assert pseudonym(b"other")("shop:ann") != of("shop:ann")
    assert "ann" not in of("shop:ann")
    assert of("\ud800")


def test_what_cannot_change_while_it_runs_is_refused(tmp_path: Path) -> None:
    """Another address or another ledger needs a restart; everything else is taken up."""
    running = load_policy(write(tmp_path, POLICY))

    with pytest.raises(ValueError, match="listen"):
        reloaded(write(tmp_path, POLICY, 8601), running)
    with pytest.raises(ValueError, match="path"):
        reloaded(write(tmp_path, POLICY.replace("l.db", "other.db")), running)
    assert reloaded(write(tmp_path, POLICY.replace('"says"', '"talks"')), running).models[0].name == "talks"


@pytest.mark.parametrize(
    ("console", "waits"),
    [('listen = "127.0.0.1:8700"', "console"), ("enabled = true", "console"), ('idle = "2h"', "console"),
     ('playground = "off"', ""), ("[console.wellness]\nblur = false", "")],
)  # fmt: skip
def test_what_the_console_reads_once_waits_for_a_restart(tmp_path: Path, console: str, waits: str) -> None:
    """The rest it takes from the file as it goes."""
    running = load_policy(write(tmp_path, POLICY))
    policy = reloaded(write(tmp_path, f"{POLICY}\n[console]\n{console}\n"), running)

    assert waiting_for_a_restart(policy, running) == waits


@pytest.mark.parametrize("mode", ["live", "shadow", "off"])
@pytest.mark.parametrize("admitted", [False, True])
async def test_unreadable_content_is_refused_whatever_the_mode_of_the_lock(
    tmp_path: Path, mode: str, admitted: bool
) -> None:
    """No line of defense can check an image: only the policy admits one, by name."""
    content = 'content = ["image"]' if admitted else ""
    gateway = Gateway(
        write(tmp_path, POLICY),
        load_policy(
            write(
                tmp_path,
                POLICY
                + f"""
[defenses.parameter_lock]
mode = "{mode}"
{content}
""",
            )
        ),
    )
    await gateway.start()
    try:
        model = gateway._doorway.door.models["says"]
        parts = (Text("What is this?"), Opaque("image", {"type": "image_url"}))
        message = asks().messages[0]
        request = asks(messages=(type(message)(message.role, parts, message.label),), stream=False)
        said = ""
        try:
            async for delta in model.generate(request):
                said += delta.text
            code = "answered"
        except Exception as error:
            code = getattr(getattr(error, "notice", None), "code", type(error).__name__)
    finally:
        await gateway.stop()

    assert (code == "content_refused") is not admitted
