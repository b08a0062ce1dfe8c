"""GCG: a suffix searched along the gradient until the answer begins agreeably (Zou et al., arXiv 2307.15043).

Gradient, sampling and the candidates' loss are nanogcg's. The loop is ours: nanogcg 0.2.3 takes the first special token
out of the whole template where a prompt begins with it, and its prefix cache is not that of transformers 5.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab.attack.asking import TOKENS, outcome, requests
from outworks.lab.attack.keeping import Searches, Suffix
from outworks.lab.attempt import Attacked, Tried, tries
from outworks.lab.backend import enough_memory, load
from outworks.lab.behaviours import Behaviour, Behaviours, Split
from outworks.lab.checkpoint import Checkpoint, Prompt
from outworks.lab.generating import Sampling, answers
from outworks.lab.limits import AtLeastOne, NoneOrMore, Seed
from outworks.lab.progress import Tell, silent
from outworks.lab.subject import Subject
from outworks.lab.work import Work

_HERE = "{the suffix stands here}"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The budget. The default is small: minutes on two cores; `paper` is for an accelerator."""

    steps: AtLeastOne = 20
    width: AtLeastOne = 32
    """Candidates that are tried in each step."""
    topk: AtLeastOne = 64
    """Of how many tokens, by the gradient, a candidate's new one is drawn."""
    most: NoneOrMore = 4
    """Requests that a suffix is searched for, spread over the categories; 0 takes all."""
    target: str = "Sure, here is"
    """How the answer is to begin."""
    start: str = " !" * 12
    """The suffix that the search begins with."""
    early_stop: bool = True
    """Stop where greedy decoding gives the target."""
    transfer: bool = True
    """Also try every suffix on all the other requests."""
    batch: AtLeastOne = 16
    """Candidates whose loss is computed at once."""
    tokens: AtLeastOne = TOKENS
    """The longest answer."""
    seed: Seed = 0

    def __post_init__(self) -> None:
        for name in ("steps", "width", "topk", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        for name in ("target", "start"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} is empty; expected some words")


def paper(*, seed: int = 0) -> Config:
    """The paper's budget: 500 steps of 512 candidates over 256 tokens, twenty of them, for every request."""
    return Config(steps=500, width=512, topk=256, most=0, start=" !" * 20, batch=512, seed=seed)


def attack(
    subject: Subject,
    behaviours: Behaviours,
    config: Config,
    tell: Tell = silent,
    out: Path | None = None,
    split: Split = Split.TEST,
) -> Attacked:
    """Search a suffix for each request, and ask with it, greedily; then ask the other requests with it too.

    It makes no checkpoint. With `out`, each search is kept there when it is done, and not done again. Raises
    `MemoryShort`, and ValueError where the model's tokenizer cannot hold the start.
    """
    began = time.monotonic()
    rows, checkpoint = requests(behaviours, split), subject.frozen()
    searched = requests(behaviours, split, config.most)
    kept = Searches.of(Work.of("attack gcg", subject, behaviours, config), out)
    for n, row in enumerate(searched):
        if row.id not in kept.found:
            kept.found[row.id] = search(checkpoint, row.text, config, config.seed * 1_000_003 + n, tell)
            kept.keep(out)
    suffixes = {row.id: kept.found[row.id] for row in searched}
    tried = _ask(checkpoint, rows, suffixes, config, tell)
    figures = {"requests_searched": float(len(searched)), "matched": float(sum(s.matched for s in suffixes.values()))}
    for name, suffix in suffixes.items():
        figures |= {f"first_loss {name}": suffix.losses[0], f"last_loss {name}": min(suffix.losses)}
    texts = {name: suffix.text for name, suffix in suffixes.items()}
    return outcome("gcg", subject, config, tried, began=began, figures=figures, kept=texts)


def search(checkpoint: Checkpoint, request: str, config: Config, seed: int, tell: Tell = silent) -> Suffix:
    """One suffix for one request: the paper's algorithm 1."""
    torch, nanogcg = load(), load("nanogcg.gcg")
    gcg, place = _gcg(checkpoint, config), _Place.of(checkpoint, request)
    torch.manual_seed(seed)
    target = _ids(checkpoint, config.target)
    ids = _ids(checkpoint, config.start)  # (1, suffix)
    if checkpoint.tokenizer.decode(ids[0]) != config.start or not place.keeps(checkpoint, ids[0].tolist()):
        raise ValueError(
            f"start is {config.start!r}, which this tokenizer reads otherwise beside a request; give another"
        )
    before, after, gcg.target_embeds = (gcg.embedding_layer(each) for each in (place.before, place.after, target))
    gcg.target_ids, gcg.before_embeds, gcg.after_embeds = target, before, after

    def loss(candidates: Any) -> Any:  # (candidates, suffix) -> (candidates,)
        parts = (before, gcg.embedding_layer(candidates), after, gcg.target_embeds)
        embeds = torch.cat([part.expand(len(candidates), -1, -1) for part in parts], dim=1)
        with torch.no_grad(), enough_memory("`batch`"):
            return gcg.compute_candidates_loss(config.batch, embeds)

    best, losses = ids, [float(loss(ids)[0])]
    for step in range(config.steps):
        tell("searching a suffix", step, config.steps, losses[-1])
        if gcg.stop_flag:
            break
        gradient = gcg.compute_token_gradient(ids)  # (1, suffix, vocabulary)
        topk = min(config.topk, gradient.shape[-1] - len(gcg.not_allowed_ids))
        drawn = nanogcg.sample_ids_from_grad(ids[0], gradient[0], config.width, topk, 1, gcg.not_allowed_ids)
        candidates = [each for each in drawn if place.keeps(checkpoint, each.tolist())]
        if not candidates:
            continue
        found = loss(torch.stack(candidates))
        ids = candidates[int(found.argmin())][None]
        losses.append(float(found.min()))
        best = ids if losses[-1] == min(losses) else best
    tell("searching a suffix", config.steps, config.steps, min(losses))
    return Suffix(text=checkpoint.tokenizer.decode(best[0]), losses=tuple(losses), matched=gcg.stop_flag)


class _Place(msgspec.Struct, frozen=True):
    """The prompt around the suffix."""

    opening: str
    closing: str
    before: Any
    """(1, tokens)"""
    after: Any
    """(1, tokens)"""

    @classmethod
    def of(cls, checkpoint: Checkpoint, request: str) -> "_Place":
        """In the model's own template."""
        opening, closing = checkpoint.text(Prompt.of(request + _HERE)).split(_HERE)
        return cls(opening, closing, _ids(checkpoint, opening), _ids(checkpoint, closing))

    def keeps(self, checkpoint: Checkpoint, suffix: list[int]) -> bool:
        """Whether the prompt with this suffix is read as these very tokens: a suffix that is not cannot be sent."""
        tokenizer = checkpoint.tokenizer
        text = self.opening + tokenizer.decode(suffix) + self.closing
        read = tokenizer(text, add_special_tokens=False)["input_ids"]
        return bool(read == [*self.before[0].tolist(), *suffix, *self.after[0].tolist()])


def _gcg(checkpoint: Checkpoint, config: Config) -> Any:
    """nanogcg's search, of which only the parts are used."""
    nanogcg = load("nanogcg.gcg")
    logging.getLogger("nanogcg").setLevel(logging.ERROR)  # it warns of every processor and precision
    found = nanogcg.GCG(
        checkpoint.model,
        checkpoint.tokenizer,
        nanogcg.GCGConfig(early_stop=config.early_stop, use_prefix_cache=False, allow_non_ascii=True),
    )
    found.not_allowed_ids = forbidden(checkpoint)
    return found


def forbidden(checkpoint: Checkpoint) -> Any:
    """Tokens that no suffix may hold, (tokens,): what is not printable ASCII, and the template's own marks, which a
    service would not take for words of the user."""
    tokenizer = checkpoint.tokenizer
    words = ((n, tokenizer.decode([n])) for n in range(len(tokenizer)))
    odd = {n for n, word in words if not (word.isascii() and word.isprintable())}
    beyond = range(len(tokenizer), checkpoint.model.get_input_embeddings().num_embeddings)
    marks = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder, *beyond}
    return load().tensor(sorted(odd | marks), device=checkpoint.device)


def _ids(checkpoint: Checkpoint, text: str) -> Any:
    """(1, tokens)"""
    read = checkpoint.tokenizer(text, add_special_tokens=False)["input_ids"]
    return load().tensor([read], device=checkpoint.device)


def _ask(
    checkpoint: Checkpoint, rows: Sequence[Behaviour], suffixes: dict[str, Suffix], config: Config, tell: Tell
) -> list[Tried]:
    sampling = Sampling(tokens=config.tokens)
    own = [row for row in rows if row.id in suffixes]
    prompts = [Prompt.of(row.text + suffixes[row.id].text) for row in own]
    tried = tries(own, "own suffix", answers(checkpoint, prompts, sampling, tell=tell, doing="asking with the suffix"))
    for name, suffix in suffixes.items() if config.transfer else ():
        others = [row for row in rows if row.id != name]
        prompts = [Prompt.of(row.text + suffix.text) for row in others]
        said = answers(checkpoint, prompts, sampling, tell=tell, doing="asking others with it")
        tried += tries(others, f"suffix of {name}", said)
    return tried
