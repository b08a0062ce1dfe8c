"""reward: a model of what is preferred: the checkpoint's body with a scalar head, trained on pairs.

Ouyang et al., InstructGPT (arXiv 2203.02155), its equation 1; the pairs are Bradley and Terry's.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outworks.lab.align.lessons import Pair, answer_ids, asked_ids
from outworks.lab.align.trainers import Run, build, run
from outworks.lab.backend import enough_memory, load
from outworks.lab.checkpoint import ALPHA, RANK, Checkpoint
from outworks.lab.progress import Tell, silent
from outworks.lab.training import Plan


def reward_model(checkpoint: Checkpoint, seed: int) -> Any:
    """The checkpoint's body, a fresh scalar head on its last token, and an adapter: a `PeftModel` to be trained."""
    torch, transformers, peft = load(), load("transformers"), load("peft")
    settings = copy.deepcopy(checkpoint.model.config)
    settings.num_labels = 1
    settings.pad_token_id = checkpoint.tokenizer.pad_token_id
    torch.manual_seed(seed)
    model = transformers.AutoModelForSequenceClassification.from_config(settings, dtype=torch.float32)
    body = getattr(checkpoint.model, checkpoint.model.base_model_prefix)
    getattr(model, model.base_model_prefix).load_state_dict(body.state_dict())
    model.to(checkpoint.device)
    wanted = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules="all-linear", task_type="SEQ_CLS"
    )
    return peft.get_peft_model(model, wanted)


def learn(
    model: Any, checkpoint: Checkpoint, pairs: Sequence[Pair], plan: Plan, folder: Path, *, tell: Tell = silent
) -> Run:
    """Lowers -log sigmoid(r(chosen) - r(rejected))."""
    return run(trainer(model, checkpoint, pairs, plan, folder), plan, folder, tell=tell, doing="reward model")


def trainer(model: Any, checkpoint: Checkpoint, pairs: Sequence[Pair], plan: Plan, folder: Path) -> Any:
    """TRL's, over whole sequences: the prompt with the answer."""
    rows = {
        "chosen_ids": [sequence(checkpoint, each, chosen=True) for each in pairs],
        "rejected_ids": [sequence(checkpoint, each, chosen=False) for each in pairs],
    }
    return build("Reward", checkpoint, rows, plan, folder, settings={"max_length": None}, model=model)


def sequence(checkpoint: Checkpoint, pair: Pair, *, chosen: bool) -> list[int]:
    """The tokens of the prompt and of one of its answers."""
    answer, whole = (pair.chosen, pair.whole) if chosen else (pair.rejected, True)
    return asked_ids(checkpoint, pair.prompt) + answer_ids(checkpoint, answer, whole=whole)


def score(model: Any, checkpoint: Checkpoint, rows: Sequence[list[int]], *, batch: int = 16) -> list[float]:
    """The rewards of sequences of tokens."""
    torch = load()
    pad = checkpoint.tokenizer.pad_token_id
    found: list[float] = []
    was_training = model.training
    model.eval()
    for at in range(0, len(rows), batch):
        mine = rows[at : at + batch]
        width = max(len(row) for row in mine)
        where = next(model.parameters()).device
        tokens = torch.tensor([row + [pad] * (width - len(row)) for row in mine], device=where)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in mine], device=where)
        with torch.no_grad(), enough_memory("`batch`"):
            found += model(input_ids=tokens, attention_mask=mask).logits[:, 0].tolist()  # (rows, 1)
    model.train(was_training)
    return found


def accuracy(model: Any, checkpoint: Checkpoint, pairs: Sequence[Pair]) -> float:
    """In how many pairs, of one, the preferred answer has the higher reward."""
    chosen = score(model, checkpoint, [sequence(checkpoint, each, chosen=True) for each in pairs])
    rejected = score(model, checkpoint, [sequence(checkpoint, each, chosen=False) for each in pairs])
    return sum(a > b for a, b in zip(chosen, rejected, strict=True)) / len(pairs)
