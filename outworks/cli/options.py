"""Options that several commands share, and what they lead to."""

import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from outworks.config import Policy, load_policy
from outworks.gateway.observe import printable
from outworks.ledger import Ledger, LedgerError, Reader

PolicyFile = Annotated[
    Path, typer.Option("--policy", "-p", envvar="OUTWORKS_POLICY", help="The policy file, which names the ledger.")
]
By = Annotated[str, typer.Option("--by", help="Who does this; recorded. The name you are logged in with, by default.")]
DEFAULT = Path("outworks.toml")
MOST = (1 << 63) - 1
"""The highest number that a ledger could give."""


def policy_at(path: Path) -> Policy:
    """The policy; its ledger is the one that commands work on."""
    # Whoever keeps the ledger need not have the gateway's secrets.
    return load_policy(path, environ=None)


def writing(path: Path) -> Ledger:
    """The policy's ledger, to write to; made where there is none yet."""
    return _opened(policy_at(path))


def changing(path: Path) -> Ledger:
    """The policy's ledger, to write to. Raises `LedgerError` where there is none: whoever looks for what is in it, and
    has the path wrong, must not take an empty one that he just made for the answer."""
    policy = policy_at(path)
    if not policy.ledger_path.exists():
        raise LedgerError(f"there is no ledger at {policy.ledger_path}")
    return _opened(policy)


def reading(path: Path) -> Reader:
    """The policy's ledger, to read from."""
    return Reader(policy_at(path).ledger_path)


def _opened(policy: Policy) -> Ledger:
    return Ledger.open(policy.ledger_path, synchronous=policy.ledger.synchronous)


def words_of(text: str) -> str:
    """A text that was given; for `-` what stands on standard input. Raises `ValueError` that says where that is no
    UTF-8."""
    return utf8(Path("-")) if text == "-" else text


def utf8(file: Path) -> str:
    """What stands in a file, or on standard input for `-`. Raises `OSError`, and `ValueError` that says where it is no
    UTF-8."""
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{file}:{line}: the byte {data[error.start]:#04x} is not UTF-8") from None


def check_writable(
    *files: Path | None, policy: Path | None = None, read: Sequence[Path] = (), whole: bool = False
) -> None:
    """Raise OSError where one of these files could not be written: before the work whose outcome they are to hold.
    Raise ValueError where one is a ledger, the policy, or among those that are `read`: it would be gone; and, of files
    that appear when they are `whole`, where one is a pipe or a device: a file would take its place."""
    for file in files:
        if file is None:
            continue
        if file.is_dir():
            raise IsADirectoryError(f"{file} is a folder; expected the name of a file")
        there = next(each for each in (file, *file.absolute().parents) if each.exists())
        if there != file and not there.is_dir():
            raise NotADirectoryError(f"{file} cannot be written: {there} is no folder")
        if not os.access(there, os.W_OK):
            raise PermissionError(f"{file} cannot be written: you may not write to {there}")
        if policy is not None and file.exists() and policy.exists() and file.samefile(policy):
            raise ValueError(f"{file} is the policy, and would be lost; expected another file to write to")
        if whole and file.exists() and not file.is_file():
            raise ValueError(f"{file} is a pipe or a device; expected the name of a file")
        if file.exists() and any(each.exists() and file.samefile(each) for each in read):
            raise ValueError(f"{file} is read here, and would be lost; expected another file to write to")
        if _is_database(file):
            raise ValueError(
                f"{file} is a database, as ledgers are, and would be lost; expected another file to write to"
            )


def _is_database(file: Path) -> bool:
    """Whether this is an SQLite file, or one that stands beside it while it is in use."""
    whole = file.with_name(file.name.removesuffix("-wal").removesuffix("-shm"))
    if not whole.is_file():
        return False
    with whole.open("rb") as opened:
        return opened.read(16) == b"SQLite format 3\0"


def cell(text: str) -> Text:
    """A cell of a table: the words of others, in which nothing is markup and nothing is obeyed by a terminal."""
    return Text(printable(text))


def me(by: str) -> str:
    """The name to record."""
    if by:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
