from outworks.detectors.views import Edit, View, spliced


def test_all_that_was_written_backwards_is_pointed_at() -> None:
    """The whole of a mirrored stretch, or its last word, is a place with something in it."""
    base = "won em llet"
    view = spliced(View(base), [Edit(0, 11, "tell me now", mirrored=True)], ("backwards",))

    whole, last = view.span(0, 11), view.span(8, 11)

    assert base[whole.start : whole.end] == base
    assert base[last.start : last.end] == "won"


def test_what_goes_over_an_edge_lies_in_all_that_was_mirrored() -> None:
    """A place that begins or ends outside of a mirrored stretch holds the whole of it: its words lie at the far end."""
    base = "See won em llet today"
    view = spliced(View(base), [Edit(4, 15, "tell me now", mirrored=True)], ("backwards",))

    before, after = view.span(0, 8), view.span(12, 21)

    assert base[before.start : before.end] == "See won em llet"
    assert base[after.start : after.end] == "won em llet today"
