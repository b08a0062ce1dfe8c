"""A checkpoint of the lab as a file that the product serves."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outworks.lab import card as cards
from outworks.lab import gguf_adapter
from outworks.lab.backend import load
from outworks.lab.card import Card
from outworks.lab.checkpoint import EMBEDDED, Checkpoint, CheckpointError, Prompt, load_checkpoint, save_checkpoint
from outworks.lab.generating import Sampling, answers
from outworks.lab.gguf_adapter import export, permuted
from outworks.label import USER
from outworks.message import Message, Request, Role, Text
from outworks.model import UpstreamError, join
from outworks.models.gguf import cache_folder, fetch
from outworks.models.gguf_head import head
from outworks.models.local import Local, Settings

ASKED = (
    "Write one sentence about the sea.",
    "Name three fruits.",
    "Who wrote Hamlet?",
)
TOKENS = 8


def noisy(checkpoint: Checkpoint, out: Path, *, size: float = 0.1, **card: Any) -> Path:
    """The checkpoint with an adapter that changes everything at random, on disk."""
    torch = load()
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in checkpoint.model.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=chance) * size)
    save_checkpoint(checkpoint, out, Card(method="test", base=checkpoint.base, **card))
    return out


def tensors(path: Path) -> dict[str, Any]:
    """What is in a file, by name."""
    gguf = load("gguf")
    return {
        each.name: gguf.quants.dequantize(each.data, each.tensor_type) for each in gguf.GGUFReader(str(path)).tensors
    }


def test_rotary_rows_are_interleaved():
    """Row i of a head's first half is followed by row i of its second half, head by head."""
    rows = np.arange(12).reshape(12, 1)

    assert permuted(rows, 2).ravel().tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]


def test_an_adapter_is_what_it_was(tiny: Path, tmp_path: Path):
    """Every layer is there; alpha over rank times B times A is the change that the adapter makes to the weights."""
    where = noisy(load_checkpoint(tiny, trainable=True), tmp_path / "made")
    plain, changed = (load_checkpoint(each).model.state_dict() for each in (tiny, where))

    found = tensors(export(where, tmp_path / "a.gguf"))

    assert len(found) == 2 * 7 * 2
    scale = 32 / 16
    for ours, theirs, heads in (("attn_q", "self_attn.q_proj", 2), ("ffn_up", "mlp.up_proj", None)):
        name = f"model.layers.1.{theirs}.weight"
        change = (changed[name] - plain[name]).numpy()
        wanted = change if heads is None else permuted(change, heads)
        a, b = (found[f"blk.1.{ours}.weight.lora_{side}"] for side in "ab")
        assert np.allclose(scale * b @ a, wanted, atol=1e-6)
        assert np.abs(wanted).max() > 0.01


def test_other_scalings_are_kept(tiny: Path, tmp_path: Path):
    """An adapter that is scaled by the root of its rank has the effect that it had."""
    peft = load("peft")
    checkpoint = load_checkpoint(tiny)
    settings = peft.LoraConfig(r=4, lora_alpha=8, use_rslora=True, target_modules=["up_proj"], task_type="CAUSAL_LM")
    checkpoint.model = peft.get_peft_model(checkpoint.model, settings)
    where = noisy(checkpoint, tmp_path / "made")
    plain, changed = (load_checkpoint(each).model.state_dict() for each in (tiny, where))

    found = tensors(export(where, tmp_path / "a.gguf"))

    name = "model.layers.0.mlp.up_proj.weight"
    a, b = (found[f"blk.0.ffn_up.weight.lora_{side}"] for side in "ab")
    assert np.allclose(8 / 4 * b @ a, (changed[name] - plain[name]).numpy(), atol=1e-6)


def test_the_system_prompt_goes_along(tiny: Path, tmp_path: Path):
    """The file notes what the card says belongs to the checkpoint, and that it is an adapter for a llama."""
    where = noisy(load_checkpoint(tiny, trainable=True), tmp_path / "made", system="Be kind.")

    found = head(export(where, tmp_path))

    assert (found.kind, found.adapter, found.architecture, found.system_prompt) == (
        "adapter",
        "lora",
        "llama",
        "Be kind.",
    )


def test_a_mere_system_prompt_is_a_setting(tiny: Path, tmp_path: Path):
    """A checkpoint that changes no weight has no file; the error says what to set instead."""
    cards.write(Card(method="align prompt", base=str(tiny), system="Decline what hurts."), tmp_path)

    with pytest.raises(CheckpointError, match=r"system_prompt = 'Decline what hurts\.'"):
        export(tmp_path, tmp_path / "x.gguf")
    assert not (tmp_path / "x.gguf").exists()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"bias": "lora_only"}, "the adapter's bias is 'lora_only'"),
        ({"use_dora": True}, "the adapter's use_dora is True"),
        ({"modules_to_save": ["lm_head"]}, "the adapter's modules_to_save is"),
        ({"target_modules": ["embed_tokens"]}, "embed_tokens is no LoRA of a linear layer"),
    ],
)
def test_what_gguf_has_no_words_for_is_refused(tiny: Path, tmp_path: Path, change: dict[str, Any], why: str):
    """Parts of an adapter that would be lost without a word are errors."""
    peft = load("peft")
    checkpoint = load_checkpoint(tiny)
    settings = peft.LoraConfig(**({"r": 4, "target_modules": ["up_proj"], "task_type": "CAUSAL_LM"} | change))
    checkpoint.model = peft.get_peft_model(checkpoint.model, settings)
    save_checkpoint(checkpoint, tmp_path / "made", Card(method="test", base=str(tiny)))

    with pytest.raises(CheckpointError, match=why):
        export(tmp_path / "made", tmp_path / "x.gguf")
    assert not list(tmp_path.glob("*.gguf*"))


def test_no_checkpoint_is_no_file(tmp_path: Path):
    """A folder without a checkpoint, and one that is not there, are named."""
    for where in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match=str(where)):
            export(where, tmp_path / "x.gguf")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model, unpacked, as a file of half precision: llama.cpp then rounds nothing that matters."""
    embedded_or_skip()
    load_checkpoint(EMBEDDED)
    return export(cache_folder() / "smollm2-135m-instruct", tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter over the embedded model that makes it say other things."""
    embedded_or_skip()
    return noisy(load_checkpoint(EMBEDDED, trainable=True), tmp_path_factory.mktemp("changed"), size=0.06)


def embedded_or_skip() -> None:
    """Skip, saying why, where the real model is not at hand: these tests fetch nothing."""
    pytest.importorskip("xllamacpp", reason="the extra outworks[local] is not installed")
    from outworks.models.gguf import FILE, is_whole

    if not is_whole(cache_folder() / FILE):
        pytest.skip("the embedded model is not in the cache folder (outworks fetch)")


def test_the_product_says_what_the_lab_says(whole: Path, changed: Path, tmp_path: Path, monkeypatch: Any):
    """llama.cpp and transformers agree word for word with the adapter; with rows in transformers' order they would not.
    Over the embedded file, whose weights have four bits, most answers begin alike, and other than without the adapter.
    """
    adapter = export(changed, tmp_path / "a.gguf")
    monkeypatch.setattr(gguf_adapter, "permuted", lambda rows, heads: rows)
    wrong = export(changed, tmp_path / "wrong.gguf")

    adapted = in_the_lab(load_checkpoint(changed))

    assert served(path=str(whole), adapter=str(adapter)) == adapted
    assert served(path=str(whole), adapter=str(wrong)) != adapted
    here, without = (served(adapter=str(adapter), adapter_scale=scale) for scale in (1.0, 0.0))
    assert sum(one.split()[:2] == two.split()[:2] for one, two in zip(here, adapted, strict=True)) >= 2
    assert without not in (here, adapted)


@pytest.mark.parametrize("kind", ["shape", "nothing", "model"])
async def test_a_wrong_adapter_is_told_at_the_start(tiny: Path, tmp_path: Path, kind: str):
    """One of another model, one that is not there, a whole model: the file is named, and a client hears of a 503."""
    embedded_or_skip()
    wrong: dict[str, Callable[[], Path]] = {
        "shape": lambda: export(noisy(load_checkpoint(tiny, trainable=True), tmp_path / "t"), tmp_path / "t.gguf"),
        "nothing": lambda: tmp_path / "t.gguf",
        "model": fetch,
    }
    path = wrong[kind]()
    model = Local("m", Settings(adapter=str(path), context_tokens=128, threads=1))

    with pytest.raises(ValueError, match=str(path)):
        await model.start()
    with pytest.raises(UpstreamError) as caught:
        await join(model.generate(asking("Hello.")))
    assert (caught.value.kind, caught.value.status) == ("unreachable", 503)
    await model.aclose()


def in_the_lab(checkpoint: Checkpoint) -> list[str]:
    return answers(checkpoint, [Prompt.of(each) for each in ASKED], Sampling(tokens=TOKENS))


def served(**settings: Any) -> Sequence[str]:
    """What the product's provider answers, greedily, with the system prompt that the lab trains with."""

    async def ask() -> list[str]:
        model = Local("m", Settings(context_tokens=256, threads=1, system_prompt="", **settings))
        try:
            return [(await join(model.generate(asking(each)))).outputs[0].text for each in ASKED]
        finally:
            await model.aclose()

    return asyncio.run(ask())


def asking(text: str) -> Request:
    return Request(
        id=text,
        model="m",
        messages=(Message(Role.USER, (Text(text),), USER),),
        parameters={"max_tokens": TOKENS, "temperature": 0},
        account="a",
    )
