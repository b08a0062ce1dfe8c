"""Lines: where every key of a document stands, whatever way it is written."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outworks.toml.lines import DEEPEST, Path, TooDeep, index

DOCUMENT = '''# a comment = 1
top = """
[not.a.header]
key = 1
"""
[a]  # [b]
x.y = 1
x."z w".'q.r' = { s = [1,
  2 # ]
  , { t = "}" }], u = 'it"s' }

[[a.list]]
name = 'first'
[a.list.sub]
deep = true
[[a.list]]
name = """second""""
[[a.list.sub2]]
v = 1979-05-27 07:32:00
[c.d]
e = """\\
  ""\\""" #"""
f = \'\'\'
'' x\'\'\'\'\'
"\\u0067\\n" = [
  [ "a", ], # one
  [ ],
]
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("a",), 6),
        (("a", "x", "y"), 7),
        (("a", "x", "z w", "q.r"), 8),
        (("a", "x", "z w", "q.r", "s"), 8),
        (("a", "x", "z w", "q.r", "s", 1), 9),
        (("a", "x", "z w", "q.r", "s", 2, "t"), 10),
        (("a", "x", "z w", "q.r", "u"), 10),
        (("a", "list"), 12),
        (("a", "list", 0), 12),
        (("a", "list", 0, "sub", "deep"), 15),
        (("a", "list", 1), 16),
        (("a", "list", 1, "name"), 17),
        (("a", "list", 1, "sub2", 0, "v"), 19),
        (("c",), 20),
        (("c", "d", "e"), 21),
        (("c", "d", "f"), 23),
        (("c", "d", "g\n", 1), 27),
    ],
)
def test_a_key_is_on_its_line(path: Path, line: int) -> None:
    """Headers, dotted and quoted keys, lists of tables, inline tables and strings over lines all keep their lines."""
    lines = index(DOCUMENT)

    assert path in lines
    assert lines.of(path) == line


def test_what_is_not_written_is_on_the_line_of_what_is_around_it() -> None:
    """A missing key is on the line of the nearest table that is written, and of the whole on the first."""
    lines = index(DOCUMENT)

    assert lines.of(("a", "list", 1, "absent", "more")) == 16
    assert lines.of(("absent",)) == lines.of(()) == 1


def test_a_table_named_after_its_parts_is_on_its_own_line() -> None:
    """A header for a table that a deeper header had implied moves it to its own line."""
    assert index("[a.b]\n[a]\nc = 1").of(("a",)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "a = 1\nb = " + "[" * 100_000,
        "a = 1\nb = " + "{c = " * 100_000,
        "a = 1\n" + ".".join("k" * 200_000) + " = 1",
        "a = 1\n[" + ".".join("k" * 200_000) + "]",
        "a = 1\nb = " + "[" * DEEPEST + "1" + "]" * DEEPEST,
    ],
    ids=["lists", "inline tables", "dotted key", "header", "one too many"],
)
def test_depth_ends_before_memory_does(text: str) -> None:
    """A document deeper than the limit is refused, at its line, before the parser sees it."""
    with pytest.raises(TooDeep) as error:
        index(text)

    assert error.value.line == 2


def test_depth_up_to_the_limit_is_read() -> None:
    """A document as deep as the limit is indexed to its bottom."""
    lines = index("b = " + "[" * (DEEPEST - 1) + "\n1" + "]" * (DEEPEST - 1))

    assert lines.of(("b", *[0] * (DEEPEST - 1))) == 2


def _paths(value: Any, at: Path = ()) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in items:
        yield (*at, step)
        yield from _paths(below, (*at, step))


HEADERS = ["[a]\n", "[[a]]\n", "[a.b]\n", "[[a.b]]\n", '["a"."\\u0062"]\n']
STARTS = ["a = ", "b = ", "a.b = ", "b.a = ", "'a b' = ", '"\\n" = ']
SCALARS = ["1", "-1.5e3", "inf", "true", "1979-05-27 07:32:00", "07:32:00", '"x"', "''", '""""x""" ']
QUOTES = ['"""', "'''", '"', "'", "\\", "\\\n"]
MARKS = ["a", "b", ".", "[", "]", "{", "}", ",", "=", "#", " ", "\t", "\n", "\n\n"]
PIECES = st.sampled_from([*HEADERS, *STARTS, *SCALARS, *QUOTES, *MARKS])
KEYS = st.sampled_from(["a", "b", '"a b"', "'c.d'", "a.b", "b . c", '"\\u0061"'])
STRINGS = st.sampled_from(['"x"', '"""\n[a]\n"""', "'''\n= ''  '''''", '"\\""', '"""\\"""""""', "'#'", '""', "''"])
VALUES = st.recursive(
    STRINGS | st.sampled_from(["1", "1.5", "true", "1979-05-27 07:32:00", "1979-05-27"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[\n" + " , # ]\n ".join(items) + "]")
        | st.lists(st.tuples(KEYS, inner), max_size=3).map(lambda p: "{" + ", ".join(f"{k} = {v}" for k, v in p) + "}")
    ),
    max_leaves=6,
)
STATEMENTS = (
    KEYS.map(lambda key: f"[{key}]")
    | KEYS.map(lambda key: f"[[{key}]]")
    | st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}")
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=20).map("".join) | st.lists(STATEMENTS, max_size=8).map("\n".join))
def test_whatever_the_parser_finds_has_its_line(text: str) -> None:
    """For every text that `tomllib` takes, the index knows just the document's paths, on lines that exist."""
    try:
        document = tomllib.loads(text)
    except ValueError:
        index(text)
        return

    lines = index(text)

    found = set(_paths(document))
    assert found == set(lines._begins)
    assert all(1 <= lines.of(path) <= lines.last for path in found)
