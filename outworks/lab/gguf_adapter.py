"""gguf_adapter: a checkpoint as a file that the provider `local` serves: an adapter, or a model of its own."""

import os
from pathlib import Path
from typing import Any

from outworks.lab.backend import load
from outworks.lab.checkpoint import ADAPTER, EMBEDDED, Checkpoint, CheckpointError, check_checkpoint, load_checkpoint
from outworks.lab.work import check_folder
from outworks.models.gguf import fetch
from outworks.models.gguf_head import SYSTEM_PROMPT

FILE = "checkpoint.gguf"
"""What it is called where only a folder is given."""
_ARCHITECTURE = "llama"
_PEFT = "base_model.model."
_SUFFIXES = (".weight",)


def export(where: str | Path, out: Path) -> Path:
    """Write the checkpoint of a folder for `provider = "local"`; returns the file.

    An adapter is written as an adapter (the setting `adapter`), and weights that stand on the embedded model as a model
    (the setting `path`). Either notes the system prompt that belongs to it. Raises `CheckpointError` for what the
    product cannot run.
    """
    if str(where) == EMBEDDED:
        raise CheckpointError(
            f'`{EMBEDDED}` is what `provider = "local"` serves without any file; expected a checkpoint of the lab\'s'
        )
    check_checkpoint(where)
    folder, target = Path(where), out / FILE if out.is_dir() else out
    check_folder(target.parent)
    has_adapter = (folder / ADAPTER).is_file()
    if not has_adapter and folder.is_dir() and not (folder / "config.json").is_file():
        raise CheckpointError(_nothing_to_export(load_checkpoint(where)))
    checkpoint = load_checkpoint(where, trainable=has_adapter)
    found = checkpoint.model.config.model_type
    if found != _ARCHITECTURE:
        raise CheckpointError(f"{where} is of the architecture {found!r}; expected {_ARCHITECTURE!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".new")
    try:
        _write_adapter(checkpoint, fresh) if has_adapter else _write_model(checkpoint, where, fresh)
        os.replace(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)
    return target


def permuted(rows: Any, heads: int) -> Any:
    """Rows of a query's or key's weights (heads * width, columns), as llama.cpp wants them.

    Its rotary embedding turns neighbouring rows of a head; transformers' turns a row of the first half with one of the
    second.
    """
    width = rows.shape[0] // heads
    return rows.reshape(heads, 2, width // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def gguf_name(name: str, blocks: int) -> str:
    """What GGUF calls a weight of a llama. Raises `CheckpointError` for one that it has no name for."""
    gguf = load("gguf")
    found = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, blocks).get_name(name, _SUFFIXES)
    if found is None:
        raise CheckpointError(f"the weight {name!r} has no place in a GGUF file of the architecture {_ARCHITECTURE!r}")
    return str(found)


def _write_adapter(checkpoint: Checkpoint, path: Path) -> None:
    settings = checkpoint.model.peft_config["default"]
    for name, harmless in (("bias", "none"), ("use_dora", False), ("modules_to_save", None)):
        if getattr(settings, name) != harmless:
            given = getattr(settings, name)
            raise CheckpointError(f"the adapter's {name} is {given!r}: only plain LoRA can be exported")
    layers = [each for each in checkpoint.model.named_modules() if hasattr(each[1], "lora_A")]
    alpha = float(settings.lora_alpha)
    writer = _writer(path, checkpoint)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for name, layer in layers:
        inner = name.removeprefix(_PEFT)
        called = gguf_name(inner + ".weight", checkpoint.model.config.num_hidden_layers)
        if "default" not in layer.lora_A:
            raise CheckpointError(f"the adapter's part on {inner} is no LoRA of a linear layer: it cannot be exported")
        first, second = (_array(each["default"].weight) for each in (layer.lora_A, layer.lora_B))
        # llama.cpp multiplies by alpha over rank; whatever else peft does (rank-stabilised, by layer) goes into B.
        second = _placed(inner, second, checkpoint) * (layer.scaling["default"] * first.shape[0] / alpha)
        writer.add_tensor(f"{called}.lora_a", first)  # (rank, in)
        writer.add_tensor(f"{called}.lora_b", second.astype("float32"))  # (out, rank)
    _finish(writer)


def _write_model(checkpoint: Checkpoint, where: str | Path, path: Path) -> None:
    """The embedded file's words and settings with other weights, in half precision."""
    gguf = load("gguf")
    source = gguf.GGUFReader(str(fetch()))
    shapes = {tensor.name: tuple(int(n) for n in reversed(tensor.shape)) for tensor in source.tensors}
    weights = _named(checkpoint)
    unlike = sorted(name for name in shapes.keys() | weights.keys() if shapes.get(name) != _shape(weights, name))
    if (checkpoint.card is not None and checkpoint.card.base != EMBEDDED) or unlike:
        raise CheckpointError(
            f"{where} holds whole weights that do not stand on the embedded model; only those can be exported. Convert "
            "others with llama.cpp's convert_hf_to_gguf.py, and name the file as `path`"
        )
    writer = _writer(path, checkpoint)
    own = (gguf.Keys.General.ARCHITECTURE, gguf.Keys.General.FILE_TYPE)
    for field in source.fields.values():
        if field.name.startswith("GGUF.") or field.name in own:
            continue
        kind = field.types[0]
        writer.add_key_value(
            field.name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        )
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    for name, weight in weights.items():
        writer.add_tensor(name, weight.astype("float32" if weight.ndim == 1 else "float16"))
    _finish(writer)


def _named(checkpoint: Checkpoint) -> dict[str, Any]:
    tied = checkpoint.model.config.tie_word_embeddings
    return {
        gguf_name(name, checkpoint.model.config.num_hidden_layers): _placed(name, _array(weight), checkpoint)
        for name, weight in checkpoint.model.state_dict().items()
        if not (tied and name.startswith("lm_head."))
    }


def _shape(weights: dict[str, Any], name: str) -> tuple[int, ...] | None:
    return tuple(weights[name].shape) if name in weights else None


def _placed(name: str, rows: Any, checkpoint: Checkpoint) -> Any:
    settings = checkpoint.model.config
    if "self_attn.q_proj" in name:
        return permuted(rows, settings.num_attention_heads)
    if "self_attn.k_proj" in name:
        return permuted(rows, settings.num_key_value_heads)
    return rows


def _array(weight: Any) -> Any:
    return weight.detach().cpu().float().numpy()


def _writer(path: Path, checkpoint: Checkpoint) -> Any:
    writer = load("gguf").GGUFWriter(str(path), _ARCHITECTURE)
    if checkpoint.card is not None:
        writer.add_string(SYSTEM_PROMPT, checkpoint.system)
    return writer


def _finish(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _nothing_to_export(checkpoint: Checkpoint) -> str:
    return (
        "this checkpoint is a system prompt and changes no weight: there is nothing to export. Serve its base with "
        f"system_prompt = {checkpoint.system!r}"
    )
