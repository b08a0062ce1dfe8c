"""Decoding exploitation: the same question under many ways of sampling (Huang et al., arXiv 2310.06987)."""

import time
from pathlib import Path

import msgspec

from outworks.lab.attack.asking import TOKENS, outcome, requests
from outworks.lab.attempt import Attacked, Tried, tries
from outworks.lab.behaviours import Behaviours, Split
from outworks.lab.checkpoint import Checkpoint, Prompt
from outworks.lab.generating import Sampling, answers
from outworks.lab.limits import AtLeastOne, Seed
from outworks.lab.progress import Tell, silent
from outworks.lab.subject import Subject

WITHOUT_SYSTEM = "without its system prompt"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The grid. Each axis is varied alone, as in the paper; the attack is the union over all settings."""

    temperatures: tuple[float, ...] = (0.7, 1.0, 1.5, 2.0)
    """The paper ends at 1.0; an adversary who holds the weights need not."""
    top_ps: tuple[float, ...] = (0.7, 0.9)
    """Shares of the probability that are drawn from, at temperature 1."""
    top_ks: tuple[int, ...] = (20, 100)
    """How many of the likeliest tokens are drawn from, at temperature 1."""
    samples: AtLeastOne = 1
    """Answers drawn under each setting."""
    drop_system: bool = False
    """Also ask greedily without the checkpoint's system prompt, where it has one: the paper's other half. Only who
    holds the weights can."""
    tokens: AtLeastOne = TOKENS
    """The longest answer."""
    seed: Seed = 0

    def __post_init__(self) -> None:
        for temperature in self.temperatures:
            if not temperature > 0:
                raise ValueError(f"temperatures holds {temperature}; expected more than 0 (0 samples nothing)")
        for top_p in self.top_ps:
            if not 0 < top_p <= 1:
                raise ValueError(f"top_ps holds {top_p}; expected more than 0 and at most 1")
        for top_k in self.top_ks:
            if top_k < 1:
                raise ValueError(f"top_ks holds {top_k}; expected at least 1")
        if self.samples < 1 or not (self.temperatures or self.top_ps or self.top_ks):
            raise ValueError("the grid is empty; give temperatures, top_ps or top_ks, and samples of at least 1")


def paper(*, seed: int = 0) -> Config:
    """The paper's 49 settings, with temperatures 1.5 and 2.0 besides, and the system prompt dropped."""
    steps = tuple(n / 20 for n in range(1, 21))
    return Config(
        temperatures=(*steps, 1.5, 2.0),
        top_ps=steps,
        top_ks=(1, 2, 5, 10, 20, 50, 100, 200, 500),
        drop_system=True,
        seed=seed,
    )


def attack(
    subject: Subject,
    behaviours: Behaviours,
    config: Config,
    tell: Tell = silent,
    out: Path | None = None,
    split: Split = Split.TEST,
) -> Attacked:
    """Ask every request under every setting. It makes no checkpoint: `out` stays empty. Raises `MemoryShort`."""
    began = time.monotonic()
    rows, checkpoint = requests(behaviours, split), subject.asked()
    prompts = [Prompt.of(row.text) for row in rows]
    tried: list[Tried] = []
    for setting, sampling in grid(config).items():
        said = answers(checkpoint, prompts, sampling, tell=tell, doing=f"decoding, {setting}")
        tried += tries(rows, setting, said)
    if config.drop_system and checkpoint.system:
        bare = Checkpoint(checkpoint.model, checkpoint.tokenizer, base=checkpoint.base)
        said = answers(bare, prompts, Sampling(tokens=config.tokens), tell=tell, doing=f"decoding, {WITHOUT_SYSTEM}")
        tried += tries(rows, WITHOUT_SYSTEM, said)
    return outcome("decoding", subject, config, tried, began=began)


def grid(config: Config) -> dict[str, Sampling]:
    """Every setting by its name. Each draws from a seed of its own: one lucky stream is not asked twice."""
    ways = {
        **{f"temperature {value:g}": Sampling(temperature=value) for value in config.temperatures},
        **{f"top-p {value:g}": Sampling(temperature=1.0, top_p=value) for value in config.top_ps},
        **{f"top-k {value}": Sampling(temperature=1.0, top_k=value) for value in config.top_ks},
    }
    found: dict[str, Sampling] = {}
    for name, way in ways.items():
        for sample in range(config.samples):
            label = name if config.samples == 1 else f"{name}, sample {sample + 1}"
            seed = config.seed * 10_007 + len(found)
            found[label] = msgspec.structs.replace(way, tokens=config.tokens, seed=seed)
    return found
