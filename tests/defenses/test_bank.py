"""bank: known bad texts are found again, and the bank is what its events say."""

import json
import random
import string

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outworks.defenses.bank import Bank
from outworks.defenses.entry import Known, added, exported, imported, switched
from outworks.defenses.shingles import Index, Sieve, fingerprint, keys, let_through, mixed, unmixed
from outworks.event import Changed
from outworks.normalise import normalise

WORDS = [
    "".join(random.Random(n).choices(string.ascii_lowercase, k=random.Random(-n).randint(2, 9))) for n in range(900)
]


def prose(seed: int, words: int) -> str:
    """Words without meaning; different seeds share little but the vocabulary."""
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def known(text: str, **changes: object) -> Known:
    return Known(**{"text": text, "source": "a test", "reason": "for the test", **changes})  # type: ignore[arg-type]


def bank(*entries: Known) -> Bank:
    made = Bank()
    for each in entries:
        made.apply(added(each, by="person:ann"), each.text)
    return made


def found(made: Bank, text: str) -> set[tuple[str, bool]]:
    return {(hit.entry.id, hit.score == 1) for hit in made.match(text)}


def reworded(text: str, share: float, seed: int = 1) -> str:
    chance = random.Random(seed)
    return " ".join(word if chance.random() > share else chance.choice(WORDS) for word in text.split())


TEMPLATE = prose(1, 120)


def test_exact_is_found_inside() -> None:
    """An exact entry is found whole, other words around it, and its place is told in the text as written."""
    made = bank(known("The Canary sings at midnight!", id="c", match="exact"))
    text = "Now listen: thE  cаnary\u200b sings at mid-\u00adnight".replace("-", "") + "!! Go on."

    (hit,) = made.match(text)

    assert (hit.entry.id, hit.score) == ("c", 1.0)
    assert text[hit.start : hit.end].startswith("thE")
    assert text[hit.start : hit.end].endswith("night!")
    assert made.match("The canary sings at noon!") == []


def test_short_entries_must_be_all() -> None:
    """A short entry is found only where it is the whole text."""
    made = bank(known("Open sesame", id="s", match="exact"))

    assert found(made, " open SESAME ") == {("s", True)}
    assert found(made, "please open sesame now") == set()


@pytest.mark.parametrize("match", ["near", "both"])
@pytest.mark.parametrize(
    "text",
    [
        reworded(TEMPLATE, 0.15),
        " ".join(word for n, word in enumerate(TEMPLATE.split()) if n % 8),
        " ".join(TEMPLATE.split()[:100]) + " " + prose(2, 60),
        prose(3, 300) + "\n" + reworded(TEMPLATE, 0.1) + "\n" + prose(4, 300),
    ],
    ids=["reworded", "words dropped", "another payload", "inside a long text"],
)
def test_near_duplicates_are_found(match: str, text: str) -> None:
    """A template is found again when it is reworded, cut, filled with another payload or put into a long text."""
    made = bank(known(TEMPLATE, id="t", match=match), known(prose(5, 120), id="other", match=match))

    (hit,) = made.match(text)

    assert hit.entry.id == "t"
    assert 0.4 <= hit.score < 1
    assert TEMPLATE.split()[50] in text[hit.start : hit.end]


@pytest.mark.parametrize(
    "text",
    [prose(6, 120), prose(6, 20_000), " ".join(TEMPLATE.split()[:25]), " ".join(reversed(TEMPLATE.split())), ""],
    ids=["other", "other and long", "a quotation", "the words in reverse", "nothing"],
)
def test_other_texts_are_not_found(text: str) -> None:
    """Another text, however long, a short quotation and the same words in another order are no near-duplicates."""
    assert bank(known(TEMPLATE)).match(text) == []


def test_scattered_shingles_are_no_duplicate() -> None:
    """What a long text shares with an entry counts only where it stands together."""
    words = TEMPLATE.split()
    scattered = "\n".join(prose(n, 400) + " ".join(words[n : n + 5]) for n in range(0, 120, 5))

    assert bank(known(TEMPLATE)).match(scattered) == []


def test_exact_only_and_near_only() -> None:
    """An entry is looked for in the way that it says."""
    near = reworded(TEMPLATE, 0.1)

    assert found(bank(known(TEMPLATE, id="t", match="exact")), near) == set()
    assert found(bank(known(TEMPLATE, id="t", match="near")), TEMPLATE) == {("t", False)}
    assert found(bank(known(TEMPLATE, id="t", match="both")), TEMPLATE) == {("t", True)}


def test_switching() -> None:
    """An entry that is switched off is kept and not found; switched on, it is found again."""
    made = bank(known(TEMPLATE, id="t"), known("open sesame", id="s"))

    made.apply(switched("t", enabled=False, by="person:ann", reason="a mistake"))
    made.apply(switched("s", enabled=False, by="person:ann"))
    off = [found(made, TEMPLATE), found(made, "open sesame"), made.has_exact, made.has_near, len(made)]
    made.apply(switched("t", enabled=True, by="person:ann"))

    assert off == [set(), set(), False, False, 2]
    assert found(made, TEMPLATE) == {("t", True)}
    assert made.get("t").reason == "for the test"


def test_unknown_id() -> None:
    """Switching an id that no entry has says which is nearest."""
    with pytest.raises(LookupError, match="the id 'fp_1'; did you mean 'fp_12'"):
        bank(known("open sesame", id="fp_12")).apply(switched("fp_1", enabled=False, by=""))


def test_erased_entries_still_work() -> None:
    """An entry whose text was erased is found by its print, exactly and nearly."""
    made = Bank()
    for event in (added(known(TEMPLATE, id="t"), by=""), added(known("open sesame", id="s"), by="")):
        erased = msgspec.json.decode(msgspec.json.encode(event), type=Changed)
        assert "sesame" not in str(erased)
        made.apply(erased, None)

    assert found(made, "OPEN SESAME") == {("s", True)}
    assert found(made, f"so {TEMPLATE} and") == {("t", True)}
    assert found(made, reworded(TEMPLATE, 0.1)) == {("t", False)}


def test_bad_events() -> None:
    """An event that cannot be read is named."""
    for detail in ({"op": "ad"}, {"op": "add", "match": "x"}, {"op": "add", **msgspec.to_builtins(_DETAIL)}):
        with pytest.raises(ValueError, match="fingerprint 'x'"):
            Bank().apply(Changed(what="fingerprint", name="x", detail=detail), None)


_DETAIL = {"match": "both", "source": "s", "reason": "r", "category": "c"}

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "enable", "disable"]), st.integers(0, 5), st.sampled_from(["exact", "near", "both"])
    ),
    max_size=25,
)


@given(STEPS)
@settings(max_examples=25, deadline=None)
def test_step_by_step_equals_rebuilt(steps: list[tuple[str, int, str]]) -> None:
    """A bank that took in every change as it came finds what one finds that was built from the last state alone."""
    texts = [prose(100 + n, 60) for n in range(5)] + ["open sesame"]
    grown, last = Bank(), {}
    for op, n, match in steps:
        if op == "add":
            entry = known(texts[n], id=f"e{n}", match="both" if n == 5 else match)
            grown.apply(added(entry, by=""), entry.text)
            last[n] = (entry, True)
        elif n in last:
            grown.apply(switched(f"e{n}", enabled=op == "enable", by=""))
            last[n] = (last[n][0], op == "enable")

    rebuilt = bank(*(msgspec.structs.replace(entry, enabled=on) for entry, on in last.values()))

    for text in (*texts, *(reworded(text, 0.1) for text in texts), " ".join(texts)):
        assert found(grown, text) == found(rebuilt, text)
    assert (grown.has_exact, grown.has_near, len(grown)) == (rebuilt.has_exact, rebuilt.has_near, len(rebuilt))


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.booleans()), max_size=80), st.integers(0, 4))
def test_index_numbers_keys(drawn: list[tuple[int, bool]], bits: int) -> None:
    """An index of any size, however crowded, finds the keys that were added, each under one number, and no others."""
    index = Index(bits)
    numbers = {key: index.add(key) for key, kept in drawn if kept}
    text = np.array([key for key, _ in drawn], np.uint64)

    found = index.find(text)

    assert len(set(numbers.values())) == len(numbers) == len(index)
    assert sorted(zip(found.places.tolist(), found.numbers.tolist(), strict=True)) == [
        (place, numbers[key]) for place, key in enumerate(text.tolist()) if key in numbers
    ]


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.booleans()), max_size=80), st.integers(1, 12))
def test_a_sieve_lets_every_known_key_through(drawn: list[tuple[int, bool]], bits: int) -> None:
    """However crowded it is, no key that was added is ever held back; what was added twice has the greater mark."""
    sieve = Sieve(bits)
    raw = np.array([key for key, _ in drawn], np.uint64)
    hashed = mixed(raw)
    greater = np.array([mark for _, mark in drawn], bool)
    sieve.add(hashed, 1)
    sieve.add(hashed[greater], 2)

    marks = np.frombuffer(sieve.marks(raw), np.uint8)

    assert (marks >= 1 + greater).all()


def test_a_sieve_holds_back_what_is_not_known() -> None:
    """Of other keys nearly none gets through."""
    sieve = Sieve(22)
    sieve.add(keys(normalise(prose(1, 3_000)).data), 1)

    marks = sieve.marks(unmixed(normalise(prose(2, 3_000)).data.upper()))

    assert len(let_through(marks)) < len(marks) / 20


def test_a_bank_finds_the_same_after_its_sieve_grew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sieve that is made wider in the middle of an import forgets nothing."""
    monkeypatch.setattr("outworks.defenses.bank._SIEVE_BITS", 8)
    texts = [prose(seed, 60) for seed in range(40)]
    made = bank(*(known(text, id=f"e{n}") for n, text in enumerate(texts)))

    assert made._sieve.bits > 8
    for n, text in enumerate(texts):
        assert f"e{n}" in {hit.entry.id for hit in made.match(f"before {text} after")}
        assert f"e{n}" in {hit.entry.id for hit in made.match(" ".join(text.split()[:-8]))}


def test_keys_depend_on_the_run_alone() -> None:
    """A shingle has one key wherever it stands, and 200,000 shingles have as many keys."""
    data = normalise(prose(9, 40_000)).data
    hashed = keys(data)

    assert (keys(data[777:]) == hashed[777:]).all()
    runs = {data[n : n + 10] for n in range(len(hashed))}
    assert len(set(hashed.tolist())) == len(runs)


def test_exchange_keeps_everything() -> None:
    """What is exported is imported as it was, erased texts by their prints."""
    texts = {"a": TEMPLATE, "b": "open sesame", "c": prose(7, 50)}
    made = bank(*(known(text, id=name, category=f"cat_{name}", enabled=name != "b") for name, text in texts.items()))
    lines = list(exported(made.entries(), {name: texts[name] for name in "ab"}))

    again = bank(*imported(lines))

    assert list(again.entries()) == list(made.entries())
    assert "text" not in json.loads(lines[2])
    assert again.match(texts["c"])


def test_import_names_every_fault() -> None:
    """A file is refused whole, with each line and field at fault, what was given and the nearest valid name."""
    good = '{"text": "open sesame", "source": "s", "reason": "r"}'
    lines = [
        good,
        '{"text": "a", "source": "s", "reason": "r", "match": "exat"}',
        '{"text": "b", "source": "s", "reson": "r"}',
        '{"text": "c", "source": "s"}',
        "",
        '{"text": " \u200b", "source": "s", "reason": "r"}',
        '{"text": "short", "source": "s", "reason": "r", "match": "near"}',
        '{"source": "s", "reason": " "}',
        good,
        "{",
    ]

    with pytest.raises(ValueError) as refused:  # noqa: PT011
        imported(lines)

    faults = str(refused.value).splitlines()
    assert [fault.split(":")[0] for fault in faults] == [f"line {n}" for n in (2, 3, 4, 6, 7, 8, 9, 10)]
    for fault, words in zip(
        faults,
        [
            "did you mean 'exact'",
            "did you mean 'reason'",
            "missing required field `reason`",
            "nothing of it is left",
            "'near' needs 150 characters",
            "text: is missing",
            "on line 1 already",
            "truncated",
        ],
        strict=True,
    ):
        assert words in fault


def test_the_same_text_has_the_same_id() -> None:
    """An id made from the text is the same for every dress of it, so that a text is not added twice."""
    made = bank(known("Open Sesame"), known("open  sesame\u200b"))

    assert len(made) == 1
    assert next(made.entries()).id == f"fp_{fingerprint(b'opensesame').digest[:16]}"


def test_a_family_of_variants() -> None:
    """Of hundreds of variants of one template the surest are named, an exact one first."""
    made = bank(*(known(reworded(TEMPLATE, 0.1, seed), id=f"v{seed}") for seed in range(300)))

    hits = made.match(reworded(TEMPLATE, 0.1, 42))

    assert (hits[0].entry.id, hits[0].score) == ("v42", 1.0)
    assert 1 < len(hits) <= 9


def test_a_text_full_of_anchors_is_bounded() -> None:
    """A text that repeats what an entry is looked up by has no match, and is read in one pass."""
    made = bank(known("ab" * 400 + "c", match="exact"))

    assert made.match("ab" * 390 + "d" + "ab" * 20_000) == []
    assert len(made.match("ab" * 20_000 + "c")) == 1
