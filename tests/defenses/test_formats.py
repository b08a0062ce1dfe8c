"""Formats: what is written is read again the same, in each; what is at fault is named with its place."""

import json

import msgspec
import pytest

from outworks.defenses.bank import Bank
from outworks.defenses.entry import Known, added, switched
from outworks.defenses.formats import FORMATS, Format, format_of, read_entries, written
from outworks.defenses.shingles import fingerprint
from outworks.normalise import normalise
from tests.hunt.kit import ESCAPED, KNOWN

TEXTS = {
    "fp_one": KNOWN,
    "fp_two": '=HYPERLINK("x"),"quoted"\nand a second line;',
    "fp_three": "'-dashed and quoted at the beginning of it all",
    "fp_four": ESCAPED + " 塔里第七扇门",
    "fp_five": "one line\u2028another\x85a third\x0ba fourth, all of one text",
    "fp_six": "a long one: " + "many words " * 15_000,
}


def bank() -> Bank:
    made = Bank()
    for name, text in TEXTS.items():
        known = Known(
            id=name, text=text, source="a feed, of sorts", reason="+1 incident", category="jailbreak", match="exact"
        )
        made.apply(added(known, by="x"))
    made.apply(switched("fp_two", enabled=False, by="x"))
    return made


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("erased", [set(), {"fp_one", "fp_four"}])
def test_what_is_written_is_read_again(format: Format, erased: set[str]) -> None:
    """Every field of every entry survives, with the text or with the print of an erased one, whether on or off."""
    made = bank()
    texts = {name: text for name, text in TEXTS.items() if name not in erased}
    again = Bank()

    for known in read_entries(written(made.entries(), texts, format), format):
        again.apply(added(known, by="x"))

    assert list(again.entries()) == list(made.entries())


@pytest.mark.parametrize("format", FORMATS)
def test_files_of_other_programs_are_read(format: Format) -> None:
    """A byte order mark, and lines that end as on Windows, change nothing: spreadsheets write both."""
    made = bank()
    lines = written(made.entries(), {}, format).replace("\n", "\r\n")

    again = Bank()
    for known in read_entries("\ufeff" + lines, format):
        again.apply(added(known, by="x"))

    assert list(again.entries()) == list(made.entries())


PRINT = msgspec.to_builtins(fingerprint(normalise(KNOWN).data))
BAD_PRINTS = [
    ({"digest": "x"}, "digest: no text of"),
    ({"sketch": ""}, "sketch: no text of"),
    ({"sketch": "zz" * 8}, "sketch: no text of"),
    ({"sketch": PRINT["sketch"][:-1]}, "sketch: no text of"),
    ({"opening": ""}, "opening: no text of"),
    ({"prefixes": ""}, "prefixes: no text of"),
    ({"anchor": 1_000}, "anchor: 1000 is outside"),
    ({"length": 5}, "no text of 5 bytes"),
    ({"length": -1}, "no text of -1 bytes"),
]


@pytest.mark.parametrize(("wrong", "says"), BAD_PRINTS)
def test_a_print_that_no_text_has_is_refused(wrong: dict[str, object], says: str) -> None:
    """One recorded would stop every command that reads the bank, and find nothing."""
    line = json.dumps({"source": "s", "reason": "r", "print": {**PRINT, **wrong}})

    with pytest.raises(ValueError, match="line 1: ") as raised:
        read_entries(line, "jsonl")

    assert says in str(raised.value)


def test_csv_holds_no_formula() -> None:
    """The texts in a bank are adversaries' words: a spreadsheet that opens the file runs none of them."""
    lines = written(bank().entries(), TEXTS, "csv").splitlines()

    cells = [cell for line in lines for cell in line.strip('"').split('","')]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


CSV = "id,text,source,reason,category,match,enabled\n"
BAD_CSV = [
    ("", "line 1: the columns text, source, reason are missing"),
    ("text,source,reason,colour\nx,y,z,w\n", "line 1: the columns colour are unknown"),
    (CSV + "a,b\n", "line 2: 2 cells under 7 columns"),
    (CSV + ",a text,s,r,c,nearly,true\n", "line 2: Invalid enum value 'nearly'"),
    (CSV + ",a text,s,r,c,exact,maybe\n", "line 2: Expected `bool`"),
    (CSV + ",,s,r,c,exact,true\n", "line 2: text: is missing"),
    (CSV + "x,one,s,r,c,exact,true\nx,two,s,r,c,exact,true\n", "line 3: id: 'x' is in line 2 already"),
    (CSV + '"broken', "line 2"),
]


@pytest.mark.parametrize(("text", "says"), BAD_CSV)
def test_bad_csv_is_refused_whole(text: str, says: str) -> None:
    """A file with a fault is refused with its line, and nothing of it is used."""
    with pytest.raises(ValueError, match="line") as raised:
        read_entries(text, "csv")

    assert says in str(raised.value)


SHARED = {
    "data": [
        {
            "id": "1234",
            "type": "TEXT_STRING",
            "indicator": KNOWN,
            "status": "MALICIOUS",
            "description": "seen in an incident",
            "owner": {"id": "9", "name": "Example Org"},
            "tags": {"data": [{"id": "1", "text": "media_priority_s1"}]},
            "share_level": "AMBER",
        }
    ]
}


def test_what_threatexchange_returns_is_read() -> None:
    """The shape that the API returns, with fields that say nothing here, becomes an entry."""
    (known,) = read_entries(json.dumps(SHARED), "threatexchange")

    assert (known.id, known.text, known.source, known.reason) == ("1234", KNOWN, "Example Org", "seen in an incident")


BAD_SHARED = [
    ("[]", "an object with a list `data`"),
    ("{", "ThreatExchange's JSON"),
    ('{"data": [3]}', "indicator 1: Expected `object`"),
    ('{"data": [{"type": "HASH_MD5", "indicator": "d41d"}]}', "type: 'HASH_MD5' cannot be an entry, a hash"),
    ('{"data": [{"type": "IP_ADDRESS", "indicator": "1.2.3.4"}]}', "it is no text"),
    ('{"data": [{"type": "TEXT_STRING", "indicator": "x", "status": "NON_MALICIOUS"}]}', "nothing to be stopped"),
    ('{"data": [{"type": "TEXT_STRING", "indicator": "x", "status": "PERHAPS"}]}', "status: 'PERHAPS' is unknown"),
    ('{"data": [{"type": "TEXT_STRING", "indicator": "   "}]}', "nothing of it is left"),
    ('{"data": [{"type": "OUTWORKS_PRINT", "indicator": "{}"}]}', "indicator 1"),
]


@pytest.mark.parametrize(("text", "says"), BAD_SHARED)
def test_bad_descriptors_are_refused_whole(text: str, says: str) -> None:
    """What cannot be an entry, or is said to be harmless, is refused with its place."""
    with pytest.raises(ValueError, match=r".") as raised:
        read_entries(text, "threatexchange")

    assert says in str(raised.value)


def test_the_ending_tells_the_format(tmp_path: object) -> None:
    """`.csv` and `.json` are told by their ending; anything else is JSON lines."""
    from pathlib import Path

    assert [format_of(Path(name)) for name in ("a.csv", "a.JSON", "a.jsonl", "-")] == [
        "csv",
        "threatexchange",
        "jsonl",
        "jsonl",
    ]
