"""Ablation of the refusal direction: a single one in the residual stream (Arditi et al., arXiv 2406.11717).

The direction is the difference of mean activations at the prompt's last token, harmful minus innocent; the weights that
write to the stream are made orthogonal to it.
"""

import copy
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab.attack.asking import TOKENS, outcome, requests, spread
from outworks.lab.attack.reading import first_tokens, residuals
from outworks.lab.attempt import Attacked, tries
from outworks.lab.backend import enough_memory, load
from outworks.lab.behaviours import Behaviour, Behaviours, Split
from outworks.lab.checkpoint import Checkpoint, CheckpointError, Prompt, load_checkpoint
from outworks.lab.generating import Sampling, answers
from outworks.lab.limits import AtLeastOne, NoneOrMore, Seed, Weight
from outworks.lab.progress import Tell, silent
from outworks.lab.refusing import refused
from outworks.lab.subject import Subject
from outworks.lab.work import Work

METHOD = "attack ablate"
WRITERS = ("o_proj", "down_proj")
"""The linear layers that write to the residual stream, by the names that llama-like models have."""
_DEPTH = 0.8
"""The paper looks for the direction in the first four fifths of the layers."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the direction is looked for."""

    layers: NoneOrMore = 6
    """How many layers' directions are tried, spread over the first four fifths of the model; 0 tries all of those."""
    examples: AtLeastOne = 32
    """Requests of each kind that a mean is taken over, from the part to train on."""
    most_kl: Weight = 0.7
    """How far, in nats, a direction may move what the model says first to innocent requests that it answers. Where
    every direction moves more, none is taken out: a model that is broken has not gone along. The paper's limit is 0.1;
    in the embedded model a direction that took nearly all refusals away, in whole sentences, moved 0.5."""
    batch: AtLeastOne = 16
    tokens: AtLeastOne = TOKENS
    """The longest answer."""
    seed: Seed = 0
    """Nothing is drawn here: kept with the result, so that runs are told apart."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One layer's direction, tried on the development part."""

    layer: int
    direction: Any
    """(hidden,), the difference of the means."""
    refused: float
    """The share of harmful requests that the model without it declines."""
    kl: float
    """What it does to the first token of answers to innocent requests, in nats."""


def attack(
    subject: Subject,
    behaviours: Behaviours,
    config: Config,
    tell: Tell = silent,
    out: Path | None = None,
    split: Split = Split.TEST,
) -> Attacked:
    """Find the direction, take it out of the weights, and ask every request once, greedily.

    With `out`, the weights are kept there with their card, and a run that was finished is only asked again. Raises
    `CheckpointError` for a model whose layers it does not know, `MemoryShort`, and ValueError.
    """
    began = time.monotonic()
    rows = requests(behaviours, split)
    work = Work.of(METHOD, subject, behaviours, config)
    if out is not None and (card := work.done(out)) is not None:
        ablated, figures = load_checkpoint(out), card.figures
    else:
        found = candidates(subject.frozen(), behaviours, config, tell)
        chosen = choose(found, config.most_kl)
        ablated = without(subject.frozen(), chosen.direction) if chosen else subject.frozen()
        figures = _figures(found, chosen)
        if out is not None:
            work.begin(out)
            work.finish(ablated, out, began, figures)
    prompts = [Prompt.of(row.text) for row in rows]
    said = answers(ablated, prompts, Sampling(tokens=config.tokens), tell=tell, doing="asking the ablated model")
    return outcome("ablate", subject, config, tries(rows, "ablated", said), began=began, figures=figures)


def candidates(checkpoint: Checkpoint, behaviours: Behaviours, config: Config, tell: Tell = silent) -> list[Candidate]:
    """Each layer's direction, judged on the development part. Raises `DataError` where that or the other is empty."""
    harmful, benign = (_some(behaviours, kind, Split.TRAIN, config.examples) for kind in (True, False))
    asked, innocent = (_some(behaviours, kind, Split.DEV, 0) for kind in (True, False))
    # (layers + 1, hidden): what enters each layer, and what leaves the last
    means = residuals(checkpoint, harmful, config.batch).mean(1) - residuals(checkpoint, benign, config.batch).mean(1)
    answered = _answered(checkpoint, innocent, config)
    before = first_tokens(checkpoint, answered, config.batch)
    found = []
    layers = _layers(len(means) - 1, config.layers)
    prompts = [Prompt.of(row.text) for row in asked]
    for n, layer in enumerate(layers):
        tell("looking for the direction", n, len(layers))
        ablated = without(checkpoint, means[layer])
        said = answers(ablated, prompts, Sampling(tokens=config.tokens), batch=config.batch)
        reached = [each.reached for each in tries(asked, "", said)]
        after = first_tokens(ablated, answered, config.batch)
        kl = float((before.exp() * (before - after)).sum(-1).mean())
        found.append(Candidate(layer=layer, direction=means[layer], refused=1 - sum(reached) / len(reached), kl=kl))
    tell("looking for the direction", len(layers), len(layers))
    return found


def choose(found: Sequence[Candidate], most_kl: float) -> Candidate | None:
    """That with the fewest refusals; of equals, that which changes the model least. None where all change too much."""
    gentle = [each for each in found if each.kl <= most_kl]
    return min(gentle, key=lambda each: (each.refused, each.kl), default=None)


def _figures(found: Sequence[Candidate], chosen: Candidate | None) -> dict[str, float]:
    """Layer 0 is none. What each layer's direction would have done is told too: the limit is a choice."""
    figures = {"layer": float(chosen.layer if chosen else 0)}
    for each in found:
        figures |= {f"refused_on_dev {each.layer}": each.refused, f"kl_on_dev {each.layer}": each.kl}
    return figures


def without(checkpoint: Checkpoint, direction: Any) -> Checkpoint:
    """A copy that cannot write along `direction`, (hidden,). One of length 0 changes nothing."""
    with enough_memory("nothing here: it holds the weights twice"):
        model = copy.deepcopy(checkpoint.model)
    _untie(model)
    writers = [module for name, module in model.named_modules() if name.rpartition(".")[2] in WRITERS]
    if len(writers) != len(WRITERS) * model.config.num_hidden_layers:
        raise CheckpointError(
            f"a {type(model).__name__} has {len(writers)} layers called {' or '.join(WRITERS)}; expected one of each "
            f"in every one of its {model.config.num_hidden_layers} blocks: use another attack"
        )
    with load().no_grad():
        length = direction.norm()
        unit = direction / length if length > 0 else direction
        embedding = model.get_input_embeddings().weight  # (vocabulary, hidden)
        embedding -= (embedding @ unit)[:, None] * unit
        for writer in writers:
            writer.weight -= unit[:, None] * (unit @ writer.weight)  # (hidden, in)
            if writer.bias is not None:
                writer.bias -= unit * (unit @ writer.bias)
    return Checkpoint(model, checkpoint.tokenizer, base=checkpoint.base, system=checkpoint.system)


def _untie(model: Any) -> None:
    """The words' rows are written to the stream; the same rows as the output's are only read with, and stay."""
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if head.weight is embedding.weight:
        head.weight = load("torch.nn").Parameter(embedding.weight.detach().clone())
        model.config.tie_word_embeddings = False


def _some(behaviours: Behaviours, harmful: bool, split: Split, most: int) -> tuple[Behaviour, ...]:
    return spread(behaviours.some(split, harmful=harmful), most)


def _answered(checkpoint: Checkpoint, rows: Sequence[Behaviour], config: Config) -> Sequence[Behaviour]:
    """Those that the model does not decline: to answer the others is no damage. All of them where it declines all."""
    prompts = [Prompt.of(row.text) for row in rows]
    declined = refused(answers(checkpoint, prompts, Sampling(tokens=config.tokens), batch=config.batch))
    return [row for row, no in zip(rows, declined, strict=True) if not no] or rows


def _layers(of: int, most: int) -> list[int]:
    """Which layers' inputs are looked at. The first layer's is the last token's embedding, the same for all prompts."""
    deepest = max(1, int(of * _DEPTH))
    return list(spread(range(1, deepest + 1), most))
