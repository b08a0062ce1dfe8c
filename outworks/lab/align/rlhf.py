"""rlhf: reinforcement learning from preferences: a warm start, a reward model, and RLOO on a KL leash.

Ouyang et al., InstructGPT (arXiv 2203.02155) for the three stages; Ahmadian et al. (arXiv 2402.14740) for REINFORCE
with the mean of the other samples as baseline in the place of PPO.
"""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab.align import reward
from outworks.lab.align.lessons import Pair, asked_ids, own_answers, pairs, refusals, spread
from outworks.lab.align.sft import teach
from outworks.lab.align.trainers import Run, build, keep_adapter, run, stage_losses, take_adapter
from outworks.lab.behaviours import Behaviour, Behaviours, Split
from outworks.lab.card import Card
from outworks.lab.checkpoint import Checkpoint, Prompt, Turn
from outworks.lab.limits import AboveZero, AtLeastOne, NoneOrMore, Seed, Weight
from outworks.lab.progress import Tell, silent
from outworks.lab.subject import Subject
from outworks.lab.training import Plan
from outworks.lab.work import Work


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The three stages."""

    supervised_steps: AtLeastOne = 15
    """The warm start. A model that never declines samples nothing that a reward for declining could lift."""
    supervised_lr: AboveZero = 3e-4
    reward_steps: AtLeastOne = 60
    reward_lr: AboveZero = 3e-4
    steps: AtLeastOne = 60
    """Of policy optimisation."""
    lr: AboveZero = 1e-4
    beta: Weight = 0.05
    """The leash: nats of divergence from the warm start, times this, are taken off each answer's reward."""
    samples: AtLeastOne = 4
    """Answers sampled for each request, each the others' baseline."""
    batch: AtLeastOne = 8
    """Answers a step, a multiple of `samples`; and rows a step in the other two stages, half as many."""
    temperature: AboveZero = 1.0
    contrasts: NoneOrMore = 140
    """Innocent requests at the most, in all three stages."""
    tokens: AtLeastOne = 24
    """The longest answer."""
    save_every: AtLeastOne = 20
    """Steps between two saved states."""
    seed: Seed = 0


def align(subject: Subject, behaviours: Behaviours, config: Config, out: Path, tell: Tell = silent) -> Card:
    """The policy in `out`, the reward model's adapter in `out/reward`.

    Figures: the reward model's accuracy on held-out pairs (the DEV split), and mean reward, mean reward for harm and
    divergence a token over the first and last tenth of the policy's steps. Raises ValueError where `batch` is no
    multiple of `samples`.
    """
    if config.samples < 2 or config.batch % config.samples:
        raise ValueError(
            f"`batch` is {config.batch} and `samples` {config.samples}; expected at least 2 samples, and a batch that "
            "is a multiple of them"
        )
    work = Work.of("align rlhf", subject, behaviours, config)
    if (card := work.done(out)) is not None:
        return card
    harmful = behaviours.some(Split.TRAIN, harmful=True)
    began, folder = time.monotonic(), work.begin(out)
    frozen = subject.frozen()
    innocent = spread(behaviours.benign(Split.TRAIN), config.contrasts)
    own = own_answers(subject, innocent, config.tokens, tell=tell, kept=folder / "own.json")
    held_out = own_answers(
        subject, behaviours.benign(Split.DEV), config.tokens, tell=tell, kept=folder / "own-held-out.json"
    )
    judged = _judge(
        frozen,
        pairs(behaviours, harmful, own, config.seed),
        pairs(behaviours, behaviours.harmful(Split.DEV), held_out, config.seed + 1),
        config,
        folder,
        tell,
    )
    policy = subject.trainable(config.seed)
    if not take_adapter(policy, folder / "warm-adapter"):
        plan = _plan(config, config.supervised_steps, config.supervised_lr, config.batch // 2)
        lessons = [*refusals(behaviours, harmful, config.seed), *own]
        warm = teach(policy, lessons, plan, folder / "warm", tell=tell, doing="warm start")
        keep_adapter(policy, folder / "warm-adapter", warm)
    done = optimise(policy, judged.model, [*harmful, *innocent], config, folder / "policy", tell=tell)
    figures = {**judged.figures, **stage_losses(folder / "warm-adapter", "warm"), **policy_figures(done)}
    shutil.copytree(folder / "reward-adapter", out / "reward", dirs_exist_ok=True)
    return work.finish(policy, out, began, figures)


class _Judged(msgspec.Struct, frozen=True):
    model: Any
    figures: dict[str, float]


def _judge(
    frozen: Checkpoint,
    learned: list[Pair],
    held_out: list[Pair],
    config: Config,
    folder: Path,
    tell: Tell,
) -> _Judged:
    """The reward model, from the pairs that it learns, judged by others."""
    model = reward.reward_model(frozen, config.seed)
    where = folder / "reward-adapter"
    mine = Checkpoint(model, frozen.tokenizer, base=frozen.base, system=frozen.system)
    if not take_adapter(mine, where):
        plan = _plan(config, config.reward_steps, config.reward_lr, config.batch // 2)
        done = reward.learn(model, frozen, learned, plan, folder / "reward", tell=tell)
        keep_adapter(mine, where, done)
    model.eval()
    figures = {
        **stage_losses(where, "reward"),
        "reward_pairs": float(len(learned)),
        "reward_accuracy_held_out": reward.accuracy(model, frozen, held_out),
        "reward_pairs_held_out": float(len(held_out)),
    }
    return _Judged(model, figures)


def _plan(config: Config, steps: int, lr: float, batch: int) -> Plan:
    return Plan(steps=steps, batch=batch, lr=lr, save_every=config.save_every, seed=config.seed)


def optimise(
    policy: Checkpoint,
    judge: Any,
    requests: Sequence[Behaviour],
    config: Config,
    folder: Path,
    *,
    tell: Tell = silent,
) -> Run:
    """Raises the expected reward less `beta` times the divergence from the policy as it is given. The advantage of a
    sample is its reward, so lessened, less the mean of the other samples' for the same request."""
    plan = _plan(config, config.steps, config.lr, config.batch)
    return run(trainer(policy, judge, requests, config, folder), plan, folder, tell=tell, doing="policy")


def trainer(policy: Checkpoint, judge: Any, requests: Sequence[Behaviour], config: Config, folder: Path) -> Any:
    """TRL's RLOO over the requests, with the reward model as its reward."""

    def rewards(prompts: list[Any], completion_ids: list[list[int]], harmful: list[bool], **seen: Any) -> list[float]:
        asked = [
            asked_ids(policy, Prompt(tuple(Turn(turn["role"], turn["content"]) for turn in prompt)))
            for prompt in prompts
        ]
        found = reward.score(judge, policy, [a + list(b) for a, b in zip(asked, completion_ids, strict=True)])
        bad = [each for each, no in zip(found, harmful, strict=True) if no]
        if bad:
            seen["log_metric"]("reward_for_harm", sum(bad) / len(bad))
        return found

    settings = {
        "beta": config.beta,
        "num_generations": config.samples,
        "max_completion_length": config.tokens,
        "temperature": config.temperature,
    }
    opening = [{"role": "system", "content": policy.system}] if policy.system else []
    rows: dict[str, list[Any]] = {
        "prompt": [[*opening, {"role": "user", "content": each.text}] for each in requests],
        "harmful": [each.harmful for each in requests],
    }
    plan = _plan(config, config.steps, config.lr, config.batch)
    return build("RLOO", policy, rows, plan, folder, settings=settings, reward_funcs=rewards)


def policy_figures(done: Run) -> dict[str, float]:
    """Means over the first and the last tenth of the steps: one step's samples say little."""
    few = max(1, len(done.history) // 10)
    figures = {}
    for name, logged in (("reward", "reward"), ("reward_for_harm", "reward_for_harm"), ("kl", "kl")):
        values = [row[logged] for row in done.history if logged in row]
        if values:
            figures[f"{name}_first"] = sum(values[:few]) / len(values[:few])
            figures[f"{name}_last"] = sum(values[-few:]) / len(values[-few:])
    return figures
