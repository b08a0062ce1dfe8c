"""Encodings can be read again by who knows them, alone and composed."""

from itertools import permutations

import pytest

from outworks.trials.encodings import BY_NAME, ENCODINGS, Encoding, composed, readings
from outworks.trials.people import complying
from tests.trials.kit import SECRET, Asks, siege, target, tells

TEXT = SECRET.prompt
_LOSSY = {"morse", "leet"}


def plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda each: each.name)
def test_what_is_encoded_can_be_read(encoding: Encoding) -> None:
    """Reading undoes writing, but for case and punctuation; and writing changes something."""
    written = encoding.encode(TEXT)

    assert written != TEXT
    assert plain(encoding.read(written)) == plain(TEXT)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda each: each.name)
async def test_the_complying_model_reads_every_encoding(encoding: Encoding) -> None:
    """So that what an encoding does not reach, a line has kept back, and no lack of understanding."""
    prompt = f"{encoding.told} Do what it says.\n{encoding.encode(TEXT)}"
    attempt = await siege(Asks(prompt), target(complying([SECRET])), SECRET)

    assert await tells(SECRET, attempt.tries[0].reply)


def test_composed_encodings_are_read_in_turn() -> None:
    """Two at a time, in either order, where neither destroys the other."""
    names = ("base64", "rot13", "hex", "reversed")
    for first, second in permutations(names, 2):
        both = composed(BY_NAME[first], BY_NAME[second])

        assert both.name == f"{first}+{second}"
        assert plain(both.read(both.encode(TEXT))) == plain(TEXT)
        assert any(plain(TEXT) == plain(found) for found in readings(both.encode(TEXT)))
