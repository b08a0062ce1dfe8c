"""newborn: a tokenizer and a small language model that have seen nothing yet."""

from collections.abc import Iterable, Sequence
from typing import Any

from outworks.lab.backend import load
from outworks.lab.pretrain.config import Config

END, USER, ASSISTANT = "<|end|>", "<|user|>", "<|assistant|>"
_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def make_tokenizer(texts: Iterable[str], config: Config) -> Any:
    """A byte-level BPE of these texts, with a chat template."""
    tokenizers, transformers = load("tokenizers"), load("transformers")
    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=[END, USER, ASSISTANT],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=END, pad_token=END)
    made.chat_template = _TEMPLATE
    return made


def make_model(tokenizer: Any, config: Config, seed: int) -> Any:
    """A Llama with random weights, from `seed`."""
    torch, transformers = load(), load("transformers")
    torch.manual_seed(seed)
    settings = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden,
        intermediate_size=config.hidden * 11 // 4,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=config.context,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    return transformers.LlamaForCausalLM(settings)


def stream(tokenizer: Any, texts: Sequence[str]) -> Any:
    """All texts in a row, each with its end: (tokens,)."""
    ids: list[int] = []
    for each in tokenizer(list(texts), add_special_tokens=False)["input_ids"]:
        ids += [*each, tokenizer.eos_token_id]
    return load().tensor(ids)
