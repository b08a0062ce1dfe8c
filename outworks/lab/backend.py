"""backend: torch and its relatives, imported in one place: the extra named, a device, words for lack of memory."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

_EXTRA = ("torch", "transformers", "peft", "trl", "safetensors", "gguf", "nanogcg", "scipy", "statsmodels")


def load(name: str = "torch") -> Any:
    """A module of the extra `outworks[lab]`. Raises ModuleNotFoundError that names the extra."""
    try:
        found = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the lab needs {error.name}: pip install 'outworks[lab]'", name=error.name
        ) from error
    if name == "transformers":  # of its own accord it draws a bar for every file that is read or written
        found.utils.logging.disable_progress_bar()
    return found


def check_installed() -> None:
    """Raise ModuleNotFoundError that names the extra, where any part of it is missing: before work begins that would
    need that part at its end."""
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(f"the lab needs {', '.join(missing)}: pip install 'outworks[lab]'", name=missing[0])


def device() -> str:
    """`cuda` where there is one, else `cpu`."""
    return "cuda" if load().cuda.is_available() else "cpu"


def fast_numbers() -> Any:
    """The type of numbers in which answers are fastest here: bfloat16 where the GPU or the processor multiplies it
    itself, else float32."""
    torch = load()
    if device() == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        found = torch.cpu.get_capabilities()
        native = found.get("avx512_bf16") or found.get("amx_bf16")
    return torch.bfloat16 if native else torch.float32


class MemoryShort(RuntimeError):
    """There is not enough memory; the message says what to lower."""


@contextmanager
def enough_memory(lower: str) -> Iterator[None]:
    """Turns every way in which torch says that memory ran out into `MemoryShort`; `lower` names the settings."""
    torch = load()
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise MemoryShort(f"not enough memory: lower {lower}, or use a smaller model") from error
    except RuntimeError as error:
        if "allocate memory" in str(error) or "out of memory" in str(error):
            raise MemoryShort(f"not enough memory: lower {lower}, or use a smaller model") from error
        raise


def free_bytes() -> int | None:
    """Memory that can still be had on this machine; None where it cannot be told."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
