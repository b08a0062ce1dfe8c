"""trainers: TRL's trainers as the lab runs them: silent, alone, writing nowhere but below the outcome, resumed."""

import logging
import math
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab.backend import device, enough_memory, load
from outworks.lab.checkpoint import Checkpoint
from outworks.lab.limits import check_at_least
from outworks.lab.progress import Tell, silent
from outworks.lab.training import Plan

_STATE = "trainer_state.json"
_LOSSES = "losses.json"
_NOISY = ("transformers", "trl", "datasets", "accelerate", "peft")


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a trainer did."""

    losses: tuple[float, ...]
    """One a step, from the first of all."""
    history: tuple[dict[str, float], ...]
    """Everything that the trainer logged, a row a step, in its own names."""
    seconds: float
    resumed_at: int = 0


def build(
    kind: str,
    checkpoint: Checkpoint,
    rows: Mapping[str, list[Any]],
    plan: Plan,
    folder: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    model: Any = None,
    **parts: Any,
) -> Any:
    """TRL's trainer of a kind (`SFT`, `DPO`, `Reward`, `RLOO`) over rows of tokens.

    `settings` go to its configuration, `parts` to the trainer; `model` stands in for the checkpoint's. Raises
    ValueError for no rows, and for no steps, which to the trainer mean as many as it likes.
    """
    if not all(rows.values()):
        raise ValueError(
            "there is nothing to train on: no behaviours in the train part, no answers of the starting checkpoint's own"
        )
    check_at_least(1, (("steps", plan.steps),))
    trl, datasets = load("trl"), load("datasets")
    with hushed():
        arguments = getattr(trl, f"{kind}Config")(**_arguments(plan, folder), **(settings or {}))
        trainer = _alone(getattr(trl, f"{kind}Trainer"))(
            model=checkpoint.model if model is None else model,
            args=arguments,
            train_dataset=datasets.Dataset.from_dict(dict(rows)),
            processing_class=checkpoint.tokenizer,
            **parts,
        )
    trainer.remove_callback(load("transformers").PrinterCallback)
    return trainer


def run(trainer: Any, plan: Plan, folder: Path, *, tell: Tell = silent, doing: str = "training") -> Run:
    """Train to the end, from the last state that is whole in the folder.

    Raises `MemoryShort`, and ArithmeticError where the loss is no number.
    """
    began = time.monotonic()
    last = _last_state(folder)
    trainer.add_callback(_watcher(doing, plan.steps, tell))
    with hushed(), enough_memory("`batch`"):
        trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    # A reference adapter is the trainer's own; what is kept is what was trained.
    if "ref" in getattr(trainer.model, "peft_config", {}):
        trainer.model.delete_adapter("ref")
    trainer.model.eval()
    tell(doing, plan.steps, plan.steps)
    rows = [row for row in trainer.state.log_history if "loss" in row]
    return Run(
        losses=tuple(float(row["loss"]) for row in rows),
        history=tuple({name: float(value) for name, value in row.items() if value is not None} for row in rows),
        seconds=time.monotonic() - began,
        resumed_at=int(last.name.rpartition("-")[2]) if last is not None else 0,
    )


def keep_adapter(checkpoint: Checkpoint, folder: Path, done: Run) -> None:
    """What one stage trained, for the next one after a stop; the losses are written last, and say that it is whole."""
    checkpoint.model.save_pretrained(str(folder))
    fresh = folder / f"{_LOSSES}.part"
    fresh.write_bytes(msgspec.json.encode(done.losses))
    os.replace(fresh, folder / _LOSSES)


def take_adapter(checkpoint: Checkpoint, folder: Path) -> bool:
    """Take up what that stage trained, if it was finished; whether it was."""
    if not (folder / _LOSSES).is_file():
        return False
    checkpoint.model.load_adapter(str(folder), "default", is_trainable=True)
    return True


def stage_losses(folder: Path, stage: str) -> dict[str, float]:
    """The first and last loss of a stage that was kept."""
    losses = msgspec.json.decode((folder / _LOSSES).read_bytes(), type=list[float])
    return {f"{stage}_loss_first": losses[0], f"{stage}_loss_last": losses[-1]}


def _arguments(plan: Plan, folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "max_steps": plan.steps,
        "per_device_train_batch_size": plan.batch,
        "learning_rate": plan.lr,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": plan.warmup,
        "weight_decay": 0.0,
        "max_grad_norm": plan.clip,
        "optim": "adamw_torch",
        "seed": plan.seed,
        "data_seed": plan.seed,
        "save_strategy": "steps",
        "save_steps": plan.save_every,
        "save_total_limit": 1,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a loss that is no number must be seen
        "report_to": "none",
        "push_to_hub": False,
        "disable_tqdm": True,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": device() == "cpu",
        "dataloader_pin_memory": False,
    }


def _alone(kind: Any) -> Any:
    """The trainer's class without its call to its makers, and without the model card that it writes: ours has more."""

    def nothing(*_: Any, **__: Any) -> None:
        return None

    def as_they_are(_: Any, dataset: Any, *__: Any, **___: Any) -> Any:
        return dataset

    changed: dict[str, Any] = {"_send_telemetry": nothing, "create_model_card": nothing}
    if kind.__name__ == "DPOTrainer":
        # This one alone takes no tokens, and tokenises with special tokens that the template has written already.
        changed["_prepare_dataset"] = as_they_are
    return type(kind.__name__, (kind,), changed)


def _watcher(doing: str, steps: int, tell: Tell) -> Any:
    def on_log(_: Any, __: Any, state: Any, control: Any, logs: Mapping[str, float], **___: Any) -> Any:
        loss = logs.get("loss")
        if loss is not None:
            if not math.isfinite(loss):
                raise ArithmeticError(f"{doing}: the loss is {loss} at step {state.global_step}; lower `lr`")
            tell(doing, min(state.global_step, steps), steps, float(loss))
        return control

    return type("Watcher", (load("transformers").TrainerCallback,), {"on_log": on_log})()


def _last_state(folder: Path) -> Path | None:
    """The newest state that was written to its end: the trainer writes this file of it last."""
    found = []
    for path in folder.glob("checkpoint-*"):
        try:
            msgspec.json.decode((path / _STATE).read_bytes())
        except (OSError, msgspec.DecodeError):
            continue
        found.append((int(path.name.rpartition("-")[2]), path))
    return max(found)[1] if found else None


@contextmanager
def hushed() -> Iterator[None]:
    """Without the libraries' bars and warnings: what a reader has to know, `tell` says."""
    bars = load("datasets").utils
    shown = not bars.are_progress_bars_disabled()
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    bars.disable_progress_bars()
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if shown:
            bars.enable_progress_bars()
