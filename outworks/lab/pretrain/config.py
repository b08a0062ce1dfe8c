"""config: the settings of the experiment on pre-training."""

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is read, how large the models are, how long each stage takes."""

    sources: tuple[str, ...] = (
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
    toxic: tuple[str, ...] = ("toxic",)
    """Labels of rows that belong to the toxic part."""
    clean: tuple[str, ...] = ("benign",)
    """Labels of those that do not. Rows with other labels are not read."""
    vocabulary: int = 2048
    """Tokens of the tokenizer, which both models share."""
    hidden: int = 128
    """Width of the models."""
    layers: int = 4
    """Their depth."""
    heads: int = 4
    """Attention heads of a layer."""
    context: int = 128
    """The longest text, in tokens."""
    steps: int = 400
    """Steps of pre-training; both models take as many, on as many tokens."""
    batch: int = 16
    """Stretches of `context` tokens a step."""
    lr: float = 3e-3
    """Learning rate of pre-training."""
    align_examples: int = 600
    """Requests that alignment teaches, half of them toxic."""
    align_steps: int = 120
    """Steps of alignment, of 16 requests each."""
    align_lr: float = 1e-3
    """Learning rate of alignment."""
    attacks: tuple[int, ...] = (10, 100)
    """Fine-tuning away with so many examples, each from the aligned model."""
    attack_lr: float = 2e-4
    """Learning rate of the attack: at alignment's own, ten examples leave nothing in either model to be compared."""
    epochs: int = 5
    """How often the attack goes through its examples."""
    rows: int = 200
    """Unseen requests of each kind on which refusals are counted, at most."""
    probe_rows: int = 2000
    """Labelled rows that the probe is fitted on, and that it is measured on, at most."""
    seed: int = 0
    """The first seed."""
    seeds: int = 3
    """How many."""
