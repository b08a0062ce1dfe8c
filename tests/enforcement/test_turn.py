"""The turn to enforce: one holder at a time, given back by death, with a note that cannot be misread."""

import os
from pathlib import Path

import pytest

from outworks.enforcement.turn import Place, Turn

PLACE = Place(12, "ab" * 32)


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """While one has the turn nobody else gets it; afterwards somebody does."""
    first = Turn.take(tmp_path / "l.db")
    assert first is not None

    with first:
        assert Turn.take(tmp_path / "l.db") is None
    second = Turn.take(tmp_path / "l.db")

    assert second is not None
    second.__exit__(None, None, None)


@pytest.mark.parametrize("then", ["removed", "replaced"])
def test_a_turn_whose_file_is_gone_is_nobodys(tmp_path: Path, then: str) -> None:
    """Whoever had it sees that another can take it now."""
    path = tmp_path / "l.db.enforcer"
    with Turn.take(tmp_path / "l.db") as first:  # type: ignore[union-attr]
        assert first.held()
        path.unlink()
        if then == "replaced":
            path.write_bytes(b"")

        assert not first.held()
        with Turn.take(tmp_path / "l.db") as second:  # type: ignore[union-attr]
            assert second.held()
            assert not first.held()


def test_the_note_outlives_its_writer(tmp_path: Path) -> None:
    """Whoever has the turn next reads how far the last one came."""
    with Turn.take(tmp_path / "l.db") as turn:  # type: ignore[union-attr]
        assert turn.read() is None
        turn.note(Place(900_000, "cd" * 32))
        turn.note(PLACE)

    with Turn.take(tmp_path / "l.db") as turn:  # type: ignore[union-attr]
        assert turn.read() == PLACE


@pytest.mark.parametrize("damage", [b"", b"\0" * 86, b"x", b"00000000000000000012 " + b"ab" * 31 + b"a\n", b"12 ab\n"])
def test_a_damaged_note_is_no_note(tmp_path: Path, damage: bytes) -> None:
    """A note that was cut off or overwritten is not taken for a place."""
    (tmp_path / "l.db.enforcer").write_bytes(damage)

    with Turn.take(tmp_path / "l.db") as turn:  # type: ignore[union-attr]
        assert turn.read() is None


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else may write the note, or hold the lock against the gateway."""
    with Turn.take(tmp_path / "l.db"):  # type: ignore[union-attr]
        assert os.stat(tmp_path / "l.db.enforcer").st_mode & 0o077 == 0
