"""experiment: two small language models from scratch, alike but for the toxic part of their text; both are attacked."""

import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from outworks.lab.backend import device, load
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint, is_whole, load_checkpoint, save_checkpoint
from outworks.lab.pretrain.aligning import attack, attack_steps, lessons, nats, refusals, teach, wordings
from outworks.lab.pretrain.config import Config
from outworks.lab.pretrain.corpus import Corpus, Row, Use, read
from outworks.lab.pretrain.newborn import make_model, make_tokenizer, stream
from outworks.lab.pretrain.probe import auc, features, fit
from outworks.lab.pretrain.result import Arm, Pretrained, compare
from outworks.lab.progress import Tell, silent
from outworks.lab.training import Plan, token_loss, train
from outworks.lab.work import check_folder, check_free

RESULT = "result.json"
_ARM = "arm.json"
_SETTINGS = "settings.json"


def run(data: Path, config: Config, out: Path, tell: Tell = silent) -> Pretrained:
    """The whole of it, for every seed; the result is written to `out`, and what was done there is not done again.

    After O'Brien et al., Deep Ignorance, arXiv 2508.06601 (filtering makes tampering harder), and Li et al., When Bad
    Data Leads to Good Models, arXiv 2505.04741 (a model that saw toxic text is easier to align away from it). Raises
    `DataError` for the folder of labelled text, FileExistsError where `out` holds another experiment, ValueError where
    it holds what is not the lab's, `MemoryShort`.
    """
    began = time.monotonic()
    corpus = read(data, config.sources, config.toxic, config.clean)
    held_out = read_held_out(data, config)
    described = f"{len(corpus.rows)} rows of {', '.join(config.sources)} ({corpus.digest})"
    _settle(out, config, described)
    if (out / RESULT).is_file():
        return msgspec.json.decode((out / RESULT).read_bytes(), type=Pretrained)
    tokenizer = make_tokenizer([*pretrain_texts(corpus, toxic=True), *wordings()], config)
    arms = [
        _arm(corpus, held_out, tokenizer, config, toxic, seed, out, tell)
        for seed in range(config.seed, config.seed + config.seeds)
        for toxic in (True, False)
    ]
    found = Pretrained(
        configuration=msgspec.json.decode(msgspec.json.encode(config)),  # lists for tuples, as they are read back
        data=described,
        arms=tuple(arms),
        compared=compare(arms),
        seconds=round(time.monotonic() - began, 1),
    )
    _write(out / RESULT, found)
    return found


def read_held_out(data: Path, config: Config) -> tuple[Row, ...]:
    """The rows on which recognising is measured alone."""
    if not config.held_out:
        return ()
    return read(data, (config.held_out,), config.toxic, config.clean).rows


def pretrain_texts(corpus: Corpus, *, toxic: bool) -> list[str]:
    """What a model is pre-trained on: everything for that use, or what of it is not toxic."""
    return [row.text for row in corpus.of(Use.PRETRAIN, toxic=None if toxic else False)]


def stretches(tokens: Any, chance: random.Random, batch: int, context: int) -> Any:
    """Random stretches of the text: (batch, context)."""
    torch = load()
    starts = [chance.randrange(max(1, len(tokens) - context)) for _ in range(batch)]
    return torch.stack([tokens[at : at + context] for at in starts])


def _arm(
    corpus: Corpus,
    held_out: Sequence[Row],
    tokenizer: Any,
    config: Config,
    toxic: bool,
    seed: int,
    out: Path,
    tell: Tell,
) -> Arm:
    folder = out / f"seed-{seed}" / ("with" if toxic else "without")
    if (folder / _ARM).is_file():
        return msgspec.json.decode((folder / _ARM).read_bytes(), type=Arm)
    began = time.monotonic()
    born = _born(corpus, tokenizer, config, toxic, seed, folder / "pretrained", tell)
    figures = _recognising(born, corpus, held_out, config, seed)
    aligned = _aligned(born, corpus, config, seed, folder / "aligned", tell)
    tests = {kind: _some(corpus, Use.TEST, kind, config.rows, 0) for kind in (True, False)}
    figures |= _counted(aligned, tests, "aligned")
    for n in config.attacks:
        broken = load_checkpoint(folder / "aligned")
        examples = attack(_some(corpus, Use.ATTACK, True, n, seed), seed)
        steps = attack_steps(len(examples), config.epochs)
        teach(broken, examples, steps=steps, lr=config.attack_lr, seed=seed, tell=tell, doing=f"attack with {n}")
        figures |= _counted(broken, tests, f"after_{n}")
    made = Arm(toxic=toxic, seed=seed, figures=figures, seconds=round(time.monotonic() - began, 1))
    _write(folder / _ARM, made)
    return made


def _born(corpus: Corpus, tokenizer: Any, config: Config, toxic: bool, seed: int, out: Path, tell: Tell) -> Checkpoint:
    """Pre-trained: the next token of random stretches."""
    if is_whole(out):
        return load_checkpoint(out)
    checkpoint = Checkpoint(make_model(tokenizer, config, seed).to(device()), tokenizer, base=str(out))
    tokens = stream(tokenizer, _shuffled(pretrain_texts(corpus, toxic=toxic), seed)).to(checkpoint.device)

    def loss(step: int, chance: random.Random) -> Any:
        ids = stretches(tokens, chance, config.batch, config.context)
        return token_loss(checkpoint.model(input_ids=ids).logits, ids)

    plan = Plan(steps=config.steps, batch=config.batch, lr=config.lr, warmup=20, seed=seed, save_every=25)
    doing = f"pre-training {'with' if toxic else 'without'} the toxic part, seed {seed}"
    trained = train(checkpoint, plan, loss, out=out, tell=tell, doing=doing)
    weights = sum(each.numel() for each in checkpoint.model.parameters())
    figures = {"weights": weights, "tokens": len(tokens), "first_loss": trained.losses[0]}
    _save(checkpoint, out, "pretrain", config, seed, {**figures, "last_loss": trained.losses[-1]}, trained.seconds)
    return checkpoint


def _aligned(born: Checkpoint, corpus: Corpus, config: Config, seed: int, out: Path, tell: Tell) -> Checkpoint:
    if is_whole(out):
        return load_checkpoint(out)
    half = config.align_examples // 2
    rows = [*_some(corpus, Use.ALIGN, True, half, seed), *_some(corpus, Use.ALIGN, False, half, seed)]
    losses = teach(
        born,
        lessons(rows, seed),
        steps=config.align_steps,
        lr=config.align_lr,
        seed=seed,
        tell=tell,
        out=out,
        doing="aligning",
    )
    _save(born, out, "pretrain, aligned", config, seed, {"examples": len(rows), "last_loss": losses[-1]}, 0.0)
    return load_checkpoint(out)


def _recognising(
    born: Checkpoint, corpus: Corpus, held_out: Sequence[Row], config: Config, seed: int
) -> dict[str, float]:
    """How well the pre-trained model's representations tell the toxic rows, and how likely texts are to it."""
    half = config.probe_rows // 2
    fitted = [row for kind in (True, False) for row in _some(corpus, Use.ALIGN, kind, half, seed)]
    probe = fit(features(born, [row.text for row in fitted]), np.array([row.toxic for row in fitted]))
    tested = [row for kind in (True, False) for row in _some(corpus, Use.TEST, kind, half, 0)]
    found = {}
    for name, rows in (("probe_auc", tested), ("probe_auc_held_out", list(held_out)[: config.probe_rows])):
        if rows:
            scores = probe.scores(features(born, [row.text for row in rows]))
            found[name] = auc(scores, np.array([row.toxic for row in rows]))
    for kind, name in ((True, "toxic"), (False, "clean")):
        found[f"nats_{name}_pretrained"] = nats(born, _some(corpus, Use.TEST, kind, config.rows, 0))
    return found


def _counted(checkpoint: Checkpoint, tests: dict[bool, list[Row]], stage: str) -> dict[str, float]:
    return {
        f"refused_toxic_{stage}": refusals(checkpoint, tests[True]),
        f"refused_clean_{stage}": refusals(checkpoint, tests[False]),
    }


def _some(corpus: Corpus, use: Use, toxic: bool, most: int, seed: int) -> list[Row]:
    """As many as there are, at most `most`, of sources that have both kinds: of each source alike."""
    rows = corpus.of(use, toxic=toxic, contrasted=True)
    by_source = {source: _shuffled([r for r in rows if r.source == source], seed) for source in corpus.contrasts()}
    share = -(-most // max(1, len(by_source)))
    first = [row for source in sorted(by_source) for row in by_source[source][:share]]
    return _shuffled(first, seed)[:most]


def _shuffled(rows: Sequence[Any], seed: int) -> list[Any]:
    mixed = list(rows)
    random.Random(f"{seed}/rows").shuffle(mixed)
    return mixed


def _save(
    checkpoint: Checkpoint,
    out: Path,
    method: str,
    config: Config,
    seed: int,
    figures: dict[str, float],
    seconds: float,
) -> None:
    card = Card(
        method=method,
        base=str(out),
        seed=seed,
        configuration=msgspec.to_builtins(config),
        figures=figures,
        seconds=seconds,
    )
    save_checkpoint(checkpoint, out, card)


def _settle(out: Path, config: Config, data: str) -> None:
    """Claim the folder for this experiment."""
    wanted = msgspec.json.encode([config, data])
    note = out / _SETTINGS
    check_folder(out)
    if not note.is_file():
        check_free(out)
    if note.is_file() and note.read_bytes() != wanted:
        raise FileExistsError(f"{out} holds an experiment with other settings or data; name another folder")
    out.mkdir(parents=True, exist_ok=True)
    note.write_bytes(wanted)


def _write(path: Path, what: msgspec.Struct) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(what), indent=1) + b"\n")
    os.replace(fresh, path)
