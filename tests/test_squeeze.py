"""Squeezing keeps letters and digits, and every place can be found again."""

from hypothesis import given
from hypothesis import strategies as st

from outworks.squeeze import backward, forward, squeeze, unread


def test_only_letters_and_digits_are_left() -> None:
    """Case, spacing, punctuation, invisible characters and styled letters do not count."""
    assert squeeze("A-b_c 1\u200b2\n!") == "abc12"
    assert squeeze("\uff21\u24d1\U0001d41c\U000e0064 \u00c9") == "abcd\u00e9"


@given(st.text(), st.integers(0, 20))
def test_squeezing_pieces_is_squeezing_the_whole(text: str, place: int) -> None:
    """Every character stands for itself, whatever its neighbours."""
    assert squeeze(text[:place]) + squeeze(text[place:]) == squeeze(text)


@given(st.text(), st.integers(0, 20))
def test_places_are_found_from_either_end(text: str, count: int) -> None:
    """The place of the n-th squeezed character from the front is that of the one counted from the back."""
    squeezed = squeeze(text)
    if count < len(squeezed):
        assert forward(text, 0, count) == backward(text, 0, len(squeezed) - count)[0]


def test_no_character_that_counts_is_passed_over() -> None:
    """Whatever squeezing leaves something of has its place."""
    for code in range(0x110000):
        left = squeeze(chr(code))
        if left:
            assert backward(chr(code), 0, len(left)) == (0,) * len(left)


def test_a_place_is_found_far_into_a_text() -> None:
    """Long stretches are passed over whole."""
    text = "-" * 5000 + "a" + "\u2014" * 5000 + "bc"

    assert [forward(text, 0, count) for count in range(4)] == [5000, 10001, 10002, 10003]
    assert backward(text, 0, 3) == (5000, 10001, 10002)


@given(st.text(), st.integers(0, 20), st.integers(1, 9))
def test_enough_is_read_before_what_is_unread(text: str, released: int, need: int) -> None:
    """The unread text comes with as many squeezed characters before it as were asked for, where there are so many."""
    released = min(released, len(text))
    found = unread(text, released, need)

    assert found.squeezed == squeeze(text[found.start :])
    assert found.start == 0 or len(squeeze(text[found.start : released])) >= need


@given(st.lists(st.text()), st.integers(1, 9))
def test_an_end_that_grows_keeps_its_places(pieces: list[str], need: int) -> None:
    """However a text arrives, the last of its letters and their places are those of the whole."""
    text, last = "", unread("", 0, need)
    for piece in pieces:
        text += piece
        tail = last.grown(text)
        last = tail.last(text, need)

        assert last.squeezed == squeeze(text)[-need:]
        assert last.places == backward(text, 0, need)
        assert [tail.place(text, n) for n in range(len(tail.squeezed))][-need:] == list(last.places)
