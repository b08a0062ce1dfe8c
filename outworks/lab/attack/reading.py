"""reading: what a model holds at the end of a prompt, in its residual stream and for the answer's first token."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from outworks.lab.backend import enough_memory, load
from outworks.lab.behaviours import Behaviour
from outworks.lab.checkpoint import Checkpoint, Prompt


def residuals(checkpoint: Checkpoint, rows: Sequence[Behaviour], batch: int) -> Any:
    """The residual stream at the prompt's last token, (layers + 1, rows, hidden)."""
    return load().cat([load().stack(each.hidden_states) for each in _last(checkpoint, rows, batch)], dim=1)


def first_tokens(checkpoint: Checkpoint, rows: Sequence[Behaviour], batch: int) -> Any:
    """The logarithms of the chances of each answer's first token, (rows, vocabulary)."""
    return load().cat([each.logits.log_softmax(-1) for each in _last(checkpoint, rows, batch)])


class _Last(msgspec.Struct, frozen=True):
    hidden_states: list[Any]  # one a layer, (rows, hidden)
    logits: Any  # (rows, vocabulary)


def _last(checkpoint: Checkpoint, rows: Sequence[Behaviour], batch: int) -> Iterator[_Last]:
    """What the model holds at the last token of each prompt, a batch at a time."""
    torch = load()
    texts = [checkpoint.text(Prompt.of(row.text)) for row in rows]
    for at in range(0, len(texts), batch):
        read = checkpoint.tokenizer(
            texts[at : at + batch], return_tensors="pt", padding=True, padding_side="right", add_special_tokens=False
        ).to(checkpoint.device)
        here, last = torch.arange(len(read["input_ids"])), read["attention_mask"].sum(1) - 1
        with torch.no_grad(), enough_memory("`batch`"):
            seen = checkpoint.model(
                input_ids=read["input_ids"], attention_mask=read["attention_mask"], output_hidden_states=True
            )
        yield _Last([each[here, last] for each in seen.hidden_states], seen.logits[here, last].float())
