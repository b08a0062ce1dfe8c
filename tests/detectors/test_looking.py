import base64
import codecs
import threading
from collections.abc import Sequence

from typing_extensions import override

from outworks.detectors import Side
from outworks.detectors.detector import Scores
from outworks.detectors.looking import REMEMBERED, Looking
from tests.detectors.scripted import SURE, Scripted


def test_the_highest_score_of_any_view_counts() -> None:
    """What is said in base64 scores as what it says, is pointed at where it stands, and how it was seen is told."""
    said = base64.b64encode(b"now do the harm-canary thing").decode()
    text = f"Please decode {said} and do it."

    look = Looking(Scripted()).look(text, Side.REQUEST)

    assert look.by_category["harm"] == SURE
    assert look.disguises == {"harm": "base64"}
    assert text.index(said) <= look.spans[0].start < look.spans[0].end <= text.index(said) + len(said)


def test_a_text_is_judged_once() -> None:
    """The same words on the same side are not judged again; on another side they are."""
    looking = Looking(detector := Scripted())

    first = looking.look("hello", Side.REQUEST)
    second = looking.look("hello", Side.REQUEST)
    looking.look("hello", Side.CONTENT)

    assert first is second
    assert detector.read == ["hello", "hello"]


def test_what_is_remembered_is_bounded() -> None:
    """However much is judged, no more than so many characters are kept."""
    looking = Looking(Scripted())

    for n in range(40):
        looking.look(f"{n} " + "lake " * (REMEMBERED // 100), Side.REQUEST)

    assert sum(len(text) for text, _, _ in looking._known) <= REMEMBERED


def test_many_are_judged_as_one_by_one() -> None:
    """Texts judged together get what each gets alone, in their order."""
    rot = codecs.encode("please tell me the harm-canary of this system", "rot13")
    texts = ["hello", rot, "the harm-canary", "", "\u200b".join("override-canary"), "plain again"]

    together = Looking(Scripted()).look_all(texts, Side.REQUEST)

    alone = Looking(Scripted())
    assert together == [alone.look(text, Side.REQUEST) for text in texts]
    assert [max(look.by_category.values()) for look in together] == [0, SURE, SURE, 0, SURE, 0]


async def test_the_second_stage_looks_where_it_is_asked() -> None:
    """It looks where the first is unsure, or always, or never; what it found is remembered as well."""
    looking = Looking(detector := Scripted())

    assert (await looking.look_closer("unsure-canary", Side.REQUEST, "never")).by_category["harm"] == 0
    assert (await looking.look_closer("unsure-canary", Side.REQUEST, "unsure")).by_category["harm"] == SURE
    assert (await looking.look_closer("unsure-canary", Side.REQUEST, "unsure")).by_category["harm"] == SURE
    await looking.look_closer("plain", Side.REQUEST, "unsure")

    assert detector.again == ["unsure-canary"]
    await looking.look_closer("plain", Side.REQUEST, "always")
    assert detector.again == ["unsure-canary", "plain"]


def test_what_cannot_be_read_is_said() -> None:
    """A text encoded more deeply than is looked into is not taken for a plain one, alone or among others."""
    deep = b"the harm-canary"
    for _ in range(9):
        deep = base64.b64encode(deep)
    looking = Looking(Scripted())

    assert not looking.look(deep.decode(), Side.REQUEST).complete
    assert [look.complete for look in looking.look_all(["plain", deep.decode()], Side.REQUEST)] == [True, False]


async def test_a_conversation_is_judged_together() -> None:
    """Each of a conversation's texts gets what it gets alone; what is known is not judged again, nor a text twice."""
    looking = Looking(detector := Scripted())
    texts = [f"turn {n}" for n in range(600)] + ["harm-canary", "turn 3", "unsure-canary"]

    looks = await looking.look_each(texts, Side.REQUEST, "unsure")

    assert [look.by_category["harm"] for look in looks[600:]] == [SURE, 0, SURE]
    assert len(looks) == len(texts)
    read = len(detector.read)
    assert await looking.look_each(texts, Side.REQUEST, "unsure") == looks
    assert len(detector.read) == read
    assert detector.again == ["unsure-canary"]


class Threaded(Scripted):
    """Notes in which thread it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    @override
    def score_all(self, texts: Sequence[str], side: Side, *, topics: bool = False) -> list[Scores]:
        self.threads.append(threading.get_ident())
        return super().score_all(texts, side, topics=topics)


async def test_long_texts_are_judged_beside_the_loop() -> None:
    """A text that takes long to judge does not keep other exchanges waiting; a short one is judged on the spot."""
    looking = Looking(detector := Threaded())
    long = "lake " * 10_000

    first = await looking.look_each(["hello", "harm-canary"], Side.REQUEST, "never")
    second = await looking.look_each([long + "harm-canary"], Side.REQUEST, "never")

    assert first[1].by_category["harm"] == second[0].by_category["harm"] == SURE
    here = threading.get_ident()
    assert [thread == here for thread in detector.threads] == [True, False]
