"""Hunts: they find what the defense would have found, in the ledger and in files, and go on after any stop."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from outworks.enforcement.evidence.backtest import backtest
from outworks.enforcement.rules import RuleError
from outworks.hunt.cluster import DaftLook
from outworks.hunt.fingerprints import Fingerprints
from outworks.hunt.found import Found, Looked, Unit, by_account
from outworks.hunt.hunt import Checkpoint, Look, LookFor, hunt, write
from outworks.hunt.rules import RuleOverFiles, RuleOverLedger
from outworks.hunt.sources import LedgerSource, ParquetSource
from outworks.ledger import Ledger, export
from tests.enforcement.kit import NOW, exchange, rule
from tests.enforcement.texts import blocked, said
from tests.hunt.kit import ENTRY, ESCAPED, KNOWN, exported, ledger_at, past

pytest.importorskip("pyarrow", reason="Parquet needs outworks[parquet]")
duckdb = pytest.importorskip("duckdb", reason="hunts over Parquet need outworks[hunt]")

EXPECTED = {
    "shop:ann": (2, 1.0, {"request"}),
    "shop:bob": (1, None, {"request"}),
    "shop:eve": (1, 1.0, {"output"}),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return ledger_at(tmp_path / "ledger.db", past())


def hunted(look: Look, units: Sequence[Unit], folder: Path, jobs: int = 1) -> list[Found]:
    with Checkpoint(folder / "checkpoint", "job", lambda: units) as checkpoint:
        found = hunt(look, checkpoint, jobs=jobs)
        checkpoint.finish()
    return found


def check(found: Sequence[Found]) -> None:
    people = {person.account: person for person in by_account(found)}
    assert people.keys() == EXPECTED.keys()
    for account, (times, score, sides) in EXPECTED.items():
        assert people[account].times == times
        assert score is None or people[account].score == score
        assert {one.side for one in found if one.account == account} == sides


def test_the_ledger_is_hunted_through(path: Path) -> None:
    """Exact and near, asked and answered: each account with the events to read; nobody else."""
    source = LedgerSource(path)

    found = hunted(LookFor(Fingerprints([ENTRY]), source), source.units(), path.parent)

    check(found)
    with Ledger.open(path, read_only=True) as ledger:
        assert all(ledger.event(one.seq).event.account == one.account for one in found)  # type: ignore[union-attr]


@pytest.mark.parametrize("jobs", [1, 2])
def test_files_are_hunted_through(path: Path, jobs: int) -> None:
    """What was exported is found as it is in the ledger, by one process or several."""
    source = ParquetSource([exported(path)])

    check(hunted(LookFor(Fingerprints([ENTRY]), source), source.units(), path.parent, jobs))


def test_daft_finds_the_same(path: Path) -> None:
    """The other engine finds the same in the same files."""
    pytest.importorskip("daft", reason="hunts by Daft need outworks[cluster]")
    look = DaftLook(Fingerprints([ENTRY]), [str(exported(path))])

    check(hunted(look, look.units(), path.parent))


def test_escaped_words_are_found_exactly(tmp_path: Path) -> None:
    """Quotes, backslashes, newlines and tabs are escaped in the ledger, and are found as they were said."""
    entry = msgspec.structs.replace(ENTRY, text=ESCAPED, match="exact")
    source = LedgerSource(ledger_at(tmp_path / "ledger.db", said(f"so: {ESCAPED}.")))

    (one,) = hunted(LookFor(Fingerprints([entry]), source), source.units(), tmp_path)

    assert one.score == 1.0


def test_an_entry_without_its_text_is_hunted_by_its_print(path: Path) -> None:
    """An entry whose text is erased still finds what it found before."""
    from outworks.defenses.shingles import fingerprint
    from outworks.normalise import normalise

    entry = msgspec.structs.replace(ENTRY, text=None, print=fingerprint(normalise(KNOWN).data))
    source = LedgerSource(path)

    check(hunted(LookFor(Fingerprints([entry]), source), source.units(), path.parent))


def test_a_hunt_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """Units that are done are not looked through again, whatever stopped it, and nothing is found twice or lost."""
    units = [Unit(source="x", first=n, last=n) for n in range(6)]
    looked: list[int] = []

    def look(unit: Unit) -> Looked:
        if unit.first == 4 and looked.count(4) == 0:
            looked.append(4)
            raise KeyboardInterrupt
        looked.append(unit.first)
        one = Found(account="a", seq=unit.first, exchange="", at=0.0, what="w")
        return Looked(unit=unit, found=(one,), bytes=10)

    with pytest.raises(KeyboardInterrupt):
        hunted(look, units, tmp_path)
    found = hunted(look, units, tmp_path)

    assert looked == [0, 1, 2, 3, 4, 4, 5]
    assert [one.seq for one in found] == list(range(6))
    assert not (tmp_path / "checkpoint").exists()


def test_a_torn_checkpoint_is_gone_on_with(tmp_path: Path) -> None:
    """A line that a crash cut short is as if it had never been; what is appended later is whole."""
    units = [Unit(source="x", first=n, last=n) for n in range(3)]
    path = tmp_path / "checkpoint"
    with Checkpoint(path, "job", lambda: units) as checkpoint:
        for unit in units[:2]:
            checkpoint.note(Looked(unit=unit, found=(), bytes=1))
    path.write_bytes(path.read_bytes()[:-5])

    with Checkpoint(path, "job", list) as again:
        assert again.left() == units[1:]
        again.note(Looked(unit=units[1], found=(), bytes=1))
    with Checkpoint(path, "job", list) as third:
        assert third.left() == units[2:]


def test_another_hunt_s_checkpoint_is_refused(tmp_path: Path) -> None:
    """What one hunt left is not taken for another's."""
    with Checkpoint(tmp_path / "c", "one", list):
        pass

    with pytest.raises(ValueError, match="was left by another hunt"):
        Checkpoint(tmp_path / "c", "two", list)


def test_two_hunts_do_not_share_a_checkpoint(tmp_path: Path) -> None:
    """The same command at the same time is refused; a hunt that ended, or died, holds up nobody."""
    with (
        Checkpoint(tmp_path / "c", "one", list),
        pytest.raises(BlockingIOError, match="another hunt is writing"),
    ):
        Checkpoint(tmp_path / "c", "one", list)

    with Checkpoint(tmp_path / "c", "one", list) as again:
        again.finish()


@pytest.mark.parametrize("text", ["my notes", "my notes\n", '{"jobs": []}\n', '{"job":"x","units":[]}\nmy notes\n'])
def test_what_is_no_checkpoint_is_left_alone(tmp_path: Path, text: str) -> None:
    """A file of somebody's own is neither read as one nor written over."""
    path = tmp_path / "c"
    path.write_text(text)

    with pytest.raises(ValueError, match="is no checkpoint"):
        Checkpoint(path, "one", list)

    assert path.read_text() == text


def test_a_hunt_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    """Where its units cannot be told there is no checkpoint either."""

    def units() -> list[Unit]:
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError):
        Checkpoint(tmp_path / "c", "one", units)

    assert not (tmp_path / "c").exists()


def test_overlapping_exports_count_once(path: Path) -> None:
    """What two files hold was found once, and done once: of a rule, too."""
    whole = exported(path)
    with Ledger.open(path, read_only=True) as ledger:
        part = export(ledger, path.with_name("part.parquet"), "parquet", after=2).path
    source, one = ParquetSource([whole, part]), rule('requests("1h") >= 3')
    over_files = RuleOverFiles([whole, part], one)

    found = hunted(LookFor(Fingerprints([ENTRY]), source), source.units(), path.parent)
    met = hunted(over_files, over_files.units(), path.parent)

    check(found)
    assert len(found) == 4
    assert met == []


def test_bad_files_are_refused(tmp_path: Path) -> None:
    """What is not there, no Parquet, or no exported ledger is refused with what was expected."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "text.parquet").write_text("hello")
    pq.write_table(pa.table({"seq": [1], "kind": ["received"]}), tmp_path / "other.parquet")

    with pytest.raises(FileNotFoundError, match="there is no file"):
        ParquetSource([tmp_path / "none.parquet"]).units()
    with pytest.raises(ValueError, match="is not Parquet"):
        ParquetSource([tmp_path / "text.parquet"]).units()
    with pytest.raises(ValueError, match="is no exported ledger: it has no at, account"):
        ParquetSource([tmp_path / "other.parquet"]).units()


RULES = [
    'blocked("1h") >= 2',
    'insists("1h") >= 1',
    'requests("1h") >= 3',
    'score("1h") >= 1.4 && age < duration("1h")',
]


@pytest.mark.parametrize("when", RULES)
def test_a_rule_is_hunted_with_as_it_is_tried(tmp_path: Path, when: str) -> None:
    """Over the ledger and over files a rule meets whom the backtest says, and on the same events."""
    texts = [KNOWN, KNOWN.replace("door", "gate"), KNOWN.replace("door", "wall")]
    events = [e for n, text in enumerate(texts) for e in blocked(text, at=NOW + n)]
    events += exchange(account="shop:bob", at=NOW + 9) + said("Hello there", account="shop:bob", at=NOW + 10)
    path = ledger_at(tmp_path / "ledger.db", events)
    one = rule(when)
    with Ledger.open(path, read_only=True) as ledger:
        hits = [(hit.account, hit.seq, hit.action.evidence) for hit in backtest(ledger, one).hits]
    over_ledger, over_files = RuleOverLedger(path, one), RuleOverFiles([exported(path)], one)

    found = [hunted(look, look.units(), tmp_path) for look in (over_ledger, over_files)]

    assert hits
    for each in found:
        assert sorted((one.account, one.seq, one.evidence) for one in each) == sorted(hits)


def test_an_event_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Files may come from elsewhere: it is said which event of whom ends the hunt, and why."""
    path = ledger_at(tmp_path / "ledger.db", blocked(KNOWN))
    odd = tmp_path / "odd.parquet"
    duckdb.execute(f"COPY (SELECT * REPLACE ('{{}}' AS body) FROM read_parquet('{exported(path)}')) TO '{odd}'")
    look = RuleOverFiles([odd], rule(RULES[0]))

    with pytest.raises(ValueError, match=r"^event 1 of shop:ann is none that this version of Outworks reads: "):
        hunted(look, look.units(), tmp_path)


def test_rules_that_cannot_be_hunted_with_are_refused(path: Path) -> None:
    """A bad rule, and one about links, which files do not hold, are refused before anything is read."""
    with pytest.raises(RuleError):
        RuleOverLedger(path, rule("nonsense"))
    with pytest.raises(ValueError, match="outworks rules backtest"):
        RuleOverFiles([path], rule('linked("1d") >= 1 && blocked("1h") >= 1'))


def test_what_is_found_is_written_for_its_owner(tmp_path: Path) -> None:
    """Findings name accounts: the file is for the owner alone, and each line stands for one."""
    write([Found(account="a", seq=1, exchange="x", at=0.0, what="w")], tmp_path / "found.jsonl")

    path = tmp_path / "found.jsonl"
    (tmp_path / "link").symlink_to(path)
    write([Found(account="a", seq=1, exchange="x", at=0.0, what="w")], tmp_path / "link")

    assert (tmp_path / "link").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["account"] == "a"


SLOW = """
import sys, time
from pathlib import Path
from outworks.hunt import fingerprints, hunt, sources
from tests.hunt.kit import ENTRY
sources.EVENTS = 3
path = Path(sys.argv[1])
source = sources.LedgerSource(path)
look = hunt.LookFor(fingerprints.Fingerprints([ENTRY]), source)
def slowly(unit):
    time.sleep(float(sys.argv[2]))
    print(unit.first, flush=True)
    return look(unit)
with hunt.Checkpoint(path.with_name("checkpoint"), "job", source.units) as checkpoint:
    found = hunt.hunt(slowly, checkpoint)
    hunt.write(found, path.with_name("found.jsonl"))
    checkpoint.finish()
"""


def test_a_hunt_that_is_killed_goes_on(path: Path) -> None:
    """kill -9 in the middle: the same hunt again ends with what an undisturbed one finds, and does no unit twice."""
    command = [sys.executable, "-c", SLOW, str(path)]
    first = subprocess.Popen([*command, "0.4"], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    done = [first.stdout.readline(), first.stdout.readline(), first.stdout.readline()]
    time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not path.with_name("found.jsonl").exists()

    second = subprocess.run([*command, "0"], capture_output=True, text=True, check=True, timeout=60)

    began = done[0].strip()
    assert began not in second.stdout.split()
    check([msgspec.json.decode(line, type=Found) for line in path.with_name("found.jsonl").read_bytes().splitlines()])
