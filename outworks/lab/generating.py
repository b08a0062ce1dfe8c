"""generating: answers of a checkpoint, many at once."""

from collections.abc import Sequence
from typing import Any

import msgspec

from outworks.lab.backend import enough_memory, load
from outworks.lab.checkpoint import Checkpoint, Prompt
from outworks.lab.progress import Tell, silent


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
    tokenizer = checkpoint.tokenizer
    side, tokenizer.padding_side = tokenizer.padding_side, "left"
    try:
        read = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    finally:
        tokenizer.padding_side = side
    return {name: read[name].to(checkpoint.device) for name in ("input_ids", "attention_mask")}
