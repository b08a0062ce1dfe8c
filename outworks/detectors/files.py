"""files: the detectors' weights on disk, each known by its SHA-256."""

import hashlib
from collections.abc import Mapping
from importlib.resources.abc import Traversable

import msgspec

SUMS = "SHA256.json"


def sums(folder: Traversable) -> Mapping[str, str]:
    """The SHA-256 of each file of the folder. Raises as `content` does."""
    try:
        return msgspec.json.decode(content(folder, SUMS, None), type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise ValueError(f"detectors: {folder / SUMS} is not the list that ships with the package: {error}") from error


def content(folder: Traversable, name: str, known: Mapping[str, str] | None) -> bytes:
    """A file's bytes, if they are those that it shipped with: a detector without its weights would pass everything.
    Raises `FileNotFoundError` or `ValueError`, naming the file."""
    file = folder / name
    try:
        found = file.read_bytes()
    except OSError as error:
        raise FileNotFoundError(f"detectors: the weights {file} cannot be read: {error}") from error
    if known is not None:
        sha256 = hashlib.sha256(found).hexdigest()
        if sha256 != known.get(name):
            raise ValueError(
                f"detectors: {file} is not the file that this version shipped with: its sha256 is {sha256[:16]}..., "
                f"not {known.get(name, 'listed')[:16]}..."
            )
    return found


def list_sums(folder: "Traversable", names: "list[str]") -> bytes:
    """What `SUMS` holds for these files."""
    found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(names)}
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
