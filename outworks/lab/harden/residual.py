"""residual: the residual stream of a model: where its layers are, what leaves them, and shifts that are put upon it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from outworks.lab.backend import load


def blocks(model: Any) -> list[Any]:
    """The transformer's layers, in their order: the longest list of modules that it has."""
    lists = [list(each) for each in model.modules() if isinstance(each, load("torch.nn").ModuleList)]
    if not lists:
        raise ValueError(f"{type(model).__name__} has no list of layers; expected a transformer")
    return max(lists, key=len)


def depths(model: Any, shares: Sequence[float]) -> tuple[int, ...]:
    """Numbers of layers from shares of the whole depth: 0 the first, 1 the last. Each once, ascending."""
    wrong = [share for share in shares if not 0 <= share <= 1]
    if wrong or not shares:
        raise ValueError(f"layers are shares of the depth, from 0 to 1; it was given {tuple(shares)}")
    last = len(blocks(model)) - 1
    return tuple(sorted({round(share * last) for share in shares}))


@contextmanager
def watched(model: Any, layers: Sequence[int]) -> Iterator[dict[int, Any]]:
    """While it lasts, what leaves each of these layers in the newest pass: number -> (rows, tokens, hidden)."""
    seen: dict[int, Any] = {}

    def hook(number: int) -> Any:
        def keep(_module: Any, _given: Any, output: Any) -> None:
            seen[number] = output[0] if isinstance(output, tuple) else output

        return keep

    handles = [blocks(model)[number].register_forward_hook(hook(number)) for number in layers]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def shifted(model: Any, shifts: Mapping[int, Any]) -> Iterator[None]:
    """While it lasts, what leaves each of these layers is shifted: number -> (rows, tokens, hidden)."""

    def hook(number: int) -> Any:
        def shift(_module: Any, _given: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (output[0] + shifts[number], *output[1:])
            return output + shifts[number]

        return shift

    handles = [blocks(model)[number].register_forward_hook(hook(number)) for number in shifts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
