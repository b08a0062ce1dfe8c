"""ordinary: text that no corpus holds enough of, generated: encodings, code, logs, tables, mathematics, lists."""

import random
from collections.abc import Callable, Sequence

from outworks.detectors.training.ordinary.encodings import Encodings
from outworks.detectors.training.ordinary.mathematics import Mathematics
from outworks.detectors.training.ordinary.pieces import Pieces
from outworks.detectors.training.ordinary.programs import Programs
from outworks.detectors.training.ordinary.questions import Questions
from outworks.detectors.training.ordinary.records import Records
from outworks.detectors.training.ordinary.scripts import Scripts


def generated(seed: int, words: Sequence[str], number: int, *, held_out: bool) -> dict[str, list[str]]:
    """`number` texts of each kind. `held_out` adds kinds that are never trained on."""
    rng = random.Random(seed)
    encoded, records, mathematics = Encodings(rng, words), Records(rng, words), Mathematics(rng, words)
    pieces, programs, scripts = Pieces(rng, words), Programs(rng, words), Scripts(rng, words)
    questions = Questions(rng, words, programs, scripts, pieces)
    # In this order, as all draw from one generator: another order makes other texts, and other weights.
    kinds: list[Callable[[], str]] = [
        encoded.base64, encoded.base32, encoded.hex, encoded.uuids, encoded.urls, records.log, records.table,
        records.minified_json, pieces.emoji, mathematics.latex, mathematics.latex, mathematics.unicode_maths,
        mathematics.plain_maths, pieces.regex, pieces.keysmash, pieces.passwords, pieces.word_list, pieces.hashtags,
        pieces.identifiers, records.dna, records.protein, records.smiles, records.chess, pieces.ascii_art, pieces.leet,
        records.tickets, encoded.bytes_literal, pieces.names, programs.python, programs.python, programs.c,
        programs.javascript, programs.minified, programs.minified, scripts.html, scripts.css, scripts.shell,
        scripts.sql, scripts.vim, scripts.yaml, questions.diff, questions.query,
    ]  # fmt: skip
    texts: dict[str, list[str]] = {}
    for kind in (*kinds, pieces.repeated) if held_out else kinds:
        texts.setdefault(kind.__name__, []).extend(kind() for _ in range(number))
    return texts
