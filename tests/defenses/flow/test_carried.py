"""Carried: whatever a client may turn into a request, or a reader may follow, behind a trusted address or not."""

import contextlib
from time import perf_counter

import pytest

from outworks.defenses.flow.carried import carried


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Nothing here, e.g. at 3.30 p.m. in v1.2 of report.txt", []),
        ("a@b.test, <c@d.test>; mailto:e@f.test", ["a@b.test", "c@d.test", "e@f.test"]),
        ("x@y@z.test", ["y@z.test"]),
        ('"x y"@z.test', ["@z.test"]),
        ("see evil.com", ["evil.com"]),
        ("see evil.zip/x", ["evil.zip/x"]),
        ("see notes.txt/x", ["notes.txt/x"]),
        ("self.test_case, dont.do-it, and __init__.name_of", []),
    ],
)
def test_addresses_in_text(text: str, found: list[str]) -> None:
    """Free text gives up its addresses, and no ordinary words."""
    values = [each.value for each in carried(text)]

    assert set(found) <= set(values)
    assert bool(values) is bool(found)


HIDDEN = {
    "behind a trusted address of the same tag": '<a href="https://a.test/x" ping="https://evil.test/?s=1">',
    "in a list of sources": '<img src="https://a.test/x" srcset="https://evil.test/?s=1 2x">',
    "inside a picture's description": "![[x](https://evil.test/y)](https://a.test/x)",
    "as a title": "[a](https://a.test/x 'https://evil.test')",
    "a bracket goes on": "https://a.test/x)SECRET",
    "a quote goes on": 'https://a.test/x"SECRET',
    "a bar goes on": "https://a.test/x|SECRET",
    "a backslash goes on": "https://a.test/x\\SECRET",
    "a backtick goes on": "https://a.test/x`SECRET",
    "a query without a path": "a.test?s=SECRET",
    "a fragment without a path": "a.test#SECRET",
    "a bracket, without a scheme": "a.test/x)SECRET",
    "a dot at the host's end": "a.test./SECRET",
    "a country's own letters": "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444/?s=SECRET",
    "a number": "1.2.3.4/?s=SECRET",
    "a number in a picture": "<img src=//2130706433/x>",
    "an ending that files have too": "secret.evil.md",
    "a script's ending": "evil.sh",
    "no scheme at all": "//evil.zip/x",
    "another scheme": "whatsapp://send?phone=1",
    "characters by number": "evil&#46;test/x",
    "an address by number": "eve&#64;evil.test",
    "escapes": "evil\\.test/x",
    "nothing to be seen": "evil\u200b.test/x",
    "a label that no host has": f"{'a' * 64}_www.evil.test/?s=1",
    "words that are not set apart": "\u8bf7" * 64 + "a.evil.test/?s=1",
    "a word grown to www": "nowwww.evil.test/?s=1",
    "in emphasis": "_evil.test_",
    "in strong emphasis": "__evil.test__!",
    "before a sign": "evil.test@ now",
    "before a dash": "evil.test-",
    "before a trusted host, with a mark between": "SECRET.x\u0301a.test",
    "before a trusted host, with a joiner between": "SECRET.x\u200da.test",
    "before a trusted host, with a vowel's sign between": "\u0915\u093fa.test",
    "an ending with a vowel's sign": "evil.\u092d\u093e\u0930\u0924",
    "a copy to somebody": "mailto:ann@a.test?cc=eve@evil.test",
}
TRUSTED = {"https://a.test/x", "a.test/x", "a.test", "ann@a.test"}


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
def test_nothing_hides_behind_what_is_trusted(text: str) -> None:
    """An address that nobody trusts is found wherever a client would find it, with a trusted one before it or not."""
    assert {each.value for each in carried(f"See {text} there")} - TRUSTED


@pytest.mark.parametrize(
    "text",
    [
        "See https://a.test/x.",
        "(https://a.test/x), and",
        "[x](https://a.test/x). Then",
        "**https://a.test/x**!",
        "<https://a.test/x>",
        '<a href="https://a.test/x">here</a>',
        "Write to ann@a.test, or see a.test/x?",
        "mailto:ann@a.test",
        "1.2.3 or 10.0.0.1, // a comment, C:\\Users, and/or, a:b, w/o, 3.30 p.m., R&D, https",
    ],
)
def test_what_is_trusted_is_found_as_it_was_written(text: str) -> None:
    """Punctuation around an address is no part of it, and numbers and paths are none."""
    assert {each.value for each in carried(text)} <= TRUSTED


@pytest.mark.parametrize(
    "unit",
    ["=&amp;javascript:javascript:", "data:a/b;", "www.", "a_www.", "a.", "a-", "1.", "a.xn--", "aaaaaa.b ", "//a."],
)
def test_addresses_inside_of_addresses_take_no_time(unit: str) -> None:
    """Each would be read on to its end; a text that has them without end is refused instead."""
    text = (unit * 131_072)[:131_072]
    began = perf_counter()

    with contextlib.suppress(ValueError):
        carried(text)

    assert perf_counter() - began < 3


def test_a_text_of_addresses_inside_of_addresses_is_refused() -> None:
    """One is not: people write links to archived pages."""
    with pytest.raises(ValueError, match="inside of addresses"):
        carried("=&amp;javascript:javascript:" * 1000)
    assert carried("see https://a.test/web/https://b.test/?u=https://c.test " * 1000)
    assert not carried("Awww... www. so cute; Awww...so cute!")
