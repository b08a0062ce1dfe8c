"""corpus: labelled rows of text from a folder of the user's, split by what they are used for; nothing of it is kept."""

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from outworks.lab.behaviours import DataError
from outworks.nearest import did_you_mean

_ENDINGS = (".jsonl", ".jsonl.gz")


class Use(StrEnum):
    """What a row is for. All rows of one group, and all of one text, are for the same."""

    PRETRAIN = "pretrain"
    ALIGN = "align"
    ATTACK = "attack"
    TEST = "test"


_SHARES = ((Use.PRETRAIN, 0.70), (Use.ALIGN, 0.12), (Use.ATTACK, 0.03), (Use.TEST, 0.15))


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One text."""

    text: str
    toxic: bool
    source: str
    """The file that it is from."""
    use: Use


class Corpus(msgspec.Struct, frozen=True, kw_only=True):
    """All rows."""

    rows: tuple[Row, ...]
    digest: str
    """Of every text and label."""

    def of(self, use: Use, *, toxic: bool | None = None, contrasted: bool = False) -> tuple[Row, ...]:
        """Those for a use, in the order of the files; `contrasted` leaves out sources whose rows are all of one kind,
        where the style of the source would give the label away."""
        both = self.contrasts() if contrasted else None
        return tuple(
            row
            for row in self.rows
            if row.use is use and toxic in (None, row.toxic) and (both is None or row.source in both)
        )

    def contrasts(self) -> frozenset[str]:
        """The sources that hold rows of both kinds."""
        kinds = {(row.source, row.toxic) for row in self.rows}
        return frozenset(source for source, toxic in kinds if toxic and (source, False) in kinds)


class _Line(msgspec.Struct):
    text: str
    label: str
    group: int | str | None = None
    copies_dev: str | bool | None = None


def read(folder: Path, sources: Sequence[str], toxic: Sequence[str], clean: Sequence[str]) -> Corpus:
    """The rows of `<source>.jsonl` or `<source>.jsonl.gz` anywhere under the folder, whose label is among those of
    either kind. Rows that stand in a development set, too, and repeated texts are left out.

    Raises `DataError` that names the file, line and field, or what is missing.
    """
    rows: list[Row] = []
    seen: set[str] = set()
    for source in sources:
        for text, label, group in _lines(_found(folder, source)):
            if text in seen or label not in (*toxic, *clean):
                continue
            seen.add(text)
            rows.append(Row(text=text, toxic=label in toxic, source=source, use=_use(f"{source}/{group or text}")))
    found = Corpus(rows=tuple(rows), digest=hashlib.sha256(msgspec.json.encode(rows)).hexdigest()[:16])
    _check(found, folder, toxic, clean)
    return found


def _found(folder: Path, source: str) -> Path:
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; expected one with {source}.jsonl or {source}.jsonl.gz in it")
    files = sorted(each for each in folder.rglob("*") if each.name.endswith(_ENDINGS))
    for each in files:
        if each.name in (source + ending for ending in _ENDINGS):
            return each
    names = {each.name.split(".jsonl")[0] for each in files}
    otherwise = "name those that are there in `sources`" if names else "it holds no JSON lines at all"
    raise DataError(f"{folder} has no {source}.jsonl or {source}.jsonl.gz{did_you_mean(source, names, otherwise)}")


def _lines(path: Path) -> Iterator[tuple[str, str, int | str | None]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        for n, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line, type=_Line)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                raise DataError(f"{path}, line {n}: {error}; expected `text` and `label`") from error
            text = " ".join(row.text.split())
            if text and not row.copies_dev:
                yield text, row.label, row.group


def _use(key: str) -> Use:
    place = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32
    for use, share in _SHARES:
        if place < share:
            return use
        place -= share
    return Use.TEST


def _check(corpus: Corpus, folder: Path, toxic: Sequence[str], clean: Sequence[str]) -> None:
    for use in Use:
        for kind, labels in ((True, toxic), (False, clean)):
            if not corpus.of(use, toxic=kind, contrasted=use is not Use.PRETRAIN):
                raise DataError(
                    f"{folder}: no rows labelled {' or '.join(labels)} are left to {use.value} with; expected sources "
                    "of which some hold both kinds"
                )
