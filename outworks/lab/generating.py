"""generating: answers of a checkpoint, many at once."""

from collections.abc import Sequence
from math import inf
from typing import Any

import msgspec

from outworks.lab.backend import enough_memory, fast_numbers, load
from outworks.lab.checkpoint import Checkpoint, Prompt
from outworks.lab.limits import check_at_least
from outworks.lab.progress import Tell, silent

_WORTH_SHARING = 8
"""Tokens."""


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is chosen."""

    temperature: float = 0.0
    """0 takes the likeliest token every time."""
    top_p: float = 1.0
    top_k: int = 0
    """0 considers all."""
    tokens: int = 32
    """The longest answer. Whether a model refuses shows in its first words."""
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least(1, (("tokens", self.tokens),))
        check_at_least(0, (("top_k", self.top_k),))
        if not 0 <= self.temperature < inf:
            raise ValueError(f"`temperature` is {self.temperature:g}; expected 0 or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"`top_p` is {self.top_p:g}; expected more than 0 and at most 1")


GREEDY = Sampling()


def answers(
    checkpoint: Checkpoint,
    prompts: Sequence[Prompt],
    sampling: Sampling = GREEDY,
    *,
    batch: int = 40,
    tell: Tell = silent,
    doing: str = "answering",
) -> list[str]:
    """What the checkpoint answers, in the prompts' order; a prefill is part of its answer.

    Raises `MemoryShort`.
    """
    torch, transformers = load(), load("transformers")
    texts = [checkpoint.text(prompt) for prompt in prompts]
    # Texts of like length together: padding is computed too.
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    said = [""] * len(texts)
    settings = transformers.GenerationConfig(
        max_new_tokens=sampling.tokens,
        pad_token_id=checkpoint.tokenizer.pad_token_id,
        eos_token_id=checkpoint.tokenizer.eos_token_id,
        **_choice(sampling),
    )
    was_training = checkpoint.model.training
    checkpoint.model.eval()
    try:
        for at in range(0, len(order), batch):
            tell(doing, at, len(order))
            mine = order[at : at + batch]
            read = _encoded(checkpoint, [texts[n] for n in mine])
            torch.manual_seed(sampling.seed * 1_000_003 + at)
            with torch.no_grad(), enough_memory("`batch` or `tokens`"):
                written = checkpoint.model.generate(**read, generation_config=settings)
            fresh = written[:, read["input_ids"].shape[1] :]
            for n, words in zip(mine, checkpoint.tokenizer.batch_decode(fresh, skip_special_tokens=True), strict=True):
                said[n] = prompts[n].prefill + words
    finally:
        checkpoint.model.train(was_training)
    tell(doing, len(order), len(order))
    return said


def quicken(model: Any) -> None:
    """Change a model that is only going to answer to the numbers that are fastest here."""
    model.to(fast_numbers())
    # `generate` hands the last layer a slice, and over a slice torch copies that layer's weights for every row.
    if (last := model.get_output_embeddings()) is not None:
        last.register_forward_pre_hook(lambda _, given: (given[0].contiguous(),))


def _choice(sampling: Sampling) -> dict[str, object]:
    if sampling.temperature == 0:
        return {"do_sample": False}
    return {
        "do_sample": True,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
    }


def _encoded(checkpoint: Checkpoint, texts: list[str]) -> dict[str, Any]:
    """The texts as the model's `generate` takes them. What all of them begin with (a template's system prompt is half
    of a short question) is computed once, and the padding stands behind it."""
    torch, tokenizer = load(), checkpoint.tokenizer
    rows = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    shared = _shared(rows) if _caches(checkpoint.model) else 0
    width = max(map(len, rows))
    pads = [width - len(row) for row in rows]
    ids = [row[:shared] + [tokenizer.pad_token_id] * pad + row[shared:] for row, pad in zip(rows, pads, strict=True)]
    mask = [[1] * shared + [0] * pad + [1] * (width - pad - shared) for pad in pads]
    where = checkpoint.device
    read = {
        "input_ids": torch.tensor(ids, device=where),  # (rows, tokens)
        "attention_mask": torch.tensor(mask, device=where),
    }
    if not shared:
        return read
    with torch.no_grad(), enough_memory("`batch`"):
        cache = load("transformers").DynamicCache(config=checkpoint.model.config)
        checkpoint.model(input_ids=read["input_ids"][:1, :shared], past_key_values=cache, logits_to_keep=1)
        cache.batch_repeat_interleave(len(rows))
    return {**read, "past_key_values": cache}


def _shared(rows: list[list[int]]) -> int:
    """How many tokens all rows begin with, at least one of each left out; 0 where it is not worth the trouble."""
    first, last = min(rows), max(rows)  # what these two share, all share
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    same = min(same, *(len(row) - 1 for row in rows))
    return same if len(rows) > 1 and same >= _WORTH_SHARING else 0


def _caches(model: Any) -> bool:
    """Whether what was computed of a beginning can be gone on from: not in recurrent models, or behind a window."""
    window = getattr(model.config, "sliding_window", None)
    return not getattr(model, "_is_stateful", False) and window is None
