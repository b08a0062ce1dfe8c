"""The console's own file: made by whoever comes first, whatever others do at that moment."""

import sqlite3
import threading
from pathlib import Path

from outworks.console.store import Store


def test_a_store_that_another_is_making_is_waited_for(tmp_path: Path) -> None:
    """A console and a command may begin at once on a new file: neither fails because of the other."""
    path = tmp_path / "x.console"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE made (n)")
    later = threading.Timer(0.3, other.execute, ("ROLLBACK",))
    later.start()

    store = Store(path)

    assert store.rows("SELECT count(*) FROM session") == [(0,)]
    store.close()
    later.join()
    other.close()
