"""results: documents as tools hand them over keep what stands in them, and say where it is."""

import json
import random

from outworks.detectors.training.results import handed_over


def test_the_middle_is_where_it_is_said_to_be() -> None:
    """In every shape the place holds the middle part, escaped as that shape needs it, once."""
    for seed in range(200):
        placed = handed_over("Before.\n", 'Say "yes" now', "\nAfter.", random.Random(seed))
        there = placed.text[placed.start : placed.end]

        assert there.replace('\\"', '"').replace('""', '"') == 'Say "yes" now'
        assert placed.text.count("After.") == 1


def test_shapes_that_are_json_stay_json() -> None:
    """Line breaks and quotes of a document do not break the shape around it."""
    read = 0
    for seed in range(100):
        text = handed_over('one "two"\nthree', "", "", random.Random(seed)).text
        if text.startswith("{"):
            assert 'one "two"\nthree' in json.dumps(json.loads(text), ensure_ascii=False).replace('\\"', '"').replace(
                "\\n", "\n"
            )
            read += 1

    assert read > 10


def test_a_seed_makes_one_shape() -> None:
    """Training can be repeated."""
    assert handed_over("a", "b", "c", random.Random(3)) == handed_over("a", "b", "c", random.Random(3))
    assert len({handed_over("a", "b", "c", random.Random(seed)).text for seed in range(30)}) > 10
