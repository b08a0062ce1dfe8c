"""config: the settings of the experiment on pre-training."""

from typing import Annotated

import msgspec
from msgspec import Meta

from outworks.lab.limits import AboveZero, AtLeastOne, Seed


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is read, how large the models are, how long each stage takes."""

    sources: Annotated[tuple[str, ...], Meta(min_length=1)] = (
        "paradetox",
        "davidson_tweets",
        "persona_chat",
        "gsm8k_test",
        "clinc150",
        "banking77",
        "sms_spam",
        "taskmaster4",
        "self_instruct_user",
    )
    """Files of the data folder, without their ending, that are learned from."""
    held_out: str = "hatecheck"
    """Another one, on which recognising toxicity is measured alone; empty for none."""
    toxic: Annotated[tuple[str, ...], Meta(min_length=1)] = ("toxic",)
    """Labels of rows that belong to the toxic part."""
    clean: Annotated[tuple[str, ...], Meta(min_length=1)] = ("benign",)
    """Labels of those that do not. Rows with other labels are not read."""
    vocabulary: Annotated[int, Meta(ge=260)] = 2048
    """Tokens of the tokenizer, which both models share; every byte is one, to begin with."""
    hidden: AtLeastOne = 128
    """Width of the models: an even number for each head."""
    layers: AtLeastOne = 4
    """Their depth."""
    heads: AtLeastOne = 4
    """Attention heads of a layer."""
    context: Annotated[int, Meta(ge=8)] = 128
    """The longest text, in tokens."""
    steps: AtLeastOne = 400
    """Steps of pre-training; both models take as many, on as many tokens."""
    batch: AtLeastOne = 16
    """Stretches of `context` tokens a step."""
    lr: AboveZero = 3e-3
    """Learning rate of pre-training."""
    align_examples: Annotated[int, Meta(ge=2)] = 600
    """Requests that alignment teaches, half of them toxic."""
    align_steps: AtLeastOne = 120
    """Steps of alignment, of 16 requests each."""
    align_lr: AboveZero = 1e-3
    """Learning rate of alignment."""
    attacks: tuple[AtLeastOne, ...] = (10, 100)
    """Fine-tuning away with so many examples, each from the aligned model."""
    attack_lr: AboveZero = 2e-4
    """Learning rate of the attack: at alignment's own, ten examples leave nothing in either model to be compared."""
    epochs: AtLeastOne = 5
    """How often the attack goes through its examples."""
    rows: AtLeastOne = 200
    """Unseen requests of each kind on which refusals are counted, at most."""
    probe_rows: Annotated[int, Meta(ge=2)] = 2000
    """Labelled rows that the probe is fitted on, and that it is measured on, at most."""
    seed: Seed = 0
    """The first seed."""
    seeds: AtLeastOne = 3
    """How many."""

    def __post_init__(self) -> None:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden is {self.hidden} and heads {self.heads}; expected an even width for each head")
