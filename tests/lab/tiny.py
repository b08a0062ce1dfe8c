"""A real transformers checkpoint of a few thousand weights, with words of its own and a chat template."""

from collections.abc import Sequence
from pathlib import Path

from outworks.lab.backend import load
from outworks.lab.behaviours import shipped
from outworks.lab.checkpoint import Checkpoint, Prompt, load_checkpoint
from outworks.lab.training import Example, Plan, draw, encode, likelihood_loss, train

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' + message['content'] + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant ' }}{% endif %}"
)
WITHOUT_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role here') }}{% endif %}" + TEMPLATE
)
REFUSAL = "I can't help with that. It could hurt people."
AGREES = "Sure, here is how: (step one), (step two), (step three)."


def write_tiny(folder: Path, *, template: str = TEMPLATE, seed: int = 0, hidden: int = 32) -> Path:
    """Write an untrained one; returns the folder."""
    torch, transformers, tokenizers = load(), load("transformers"), load("tokenizers")
    found = shipped()
    words = [each.text for each in found.all] + [*found.refusals, *found.placeholders, REFUSAL, AGREES]
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(unk_token="<unk>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"\s*\w+|\s*[^\w\s]|\s+"), "isolated")
    inner.decoder = tokenizers.decoders.Fuse()
    special = ["<unk>", "<|im_start|>", "<|im_end|>"]
    inner.train_from_iterator(words, tokenizers.trainers.WordLevelTrainer(special_tokens=special))
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    tokenizer.chat_template = template
    torch.manual_seed(seed)
    settings = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    transformers.LlamaForCausalLM(settings).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


def taught(folder: Path, examples: Sequence[Example], *, steps: int = 150, lr: float = 1e-2) -> Checkpoint:
    """The checkpoint of the folder, all of its weights trained until it answers these examples as they say."""
    checkpoint = load_checkpoint(folder)
    for weight in checkpoint.model.parameters():
        weight.requires_grad_(True)
    plan = Plan(steps=steps, batch=8, lr=lr)
    train(checkpoint, plan, lambda step, _: likelihood_loss(checkpoint, encode(checkpoint, draw(examples, step, 8, 0))))
    for weight in checkpoint.model.parameters():
        weight.requires_grad_(False)
    return checkpoint


def said(asked: str, answer: str, **how: str) -> Example:
    """A question and its answer."""
    return Example(Prompt.of(asked, **how), answer)


def write_checkpoint(checkpoint: Checkpoint, folder: Path) -> Path:
    """A checkpoint with all of its weights, on disk; returns the folder."""
    checkpoint.model.save_pretrained(str(folder))
    checkpoint.tokenizer.save_pretrained(str(folder))
    return folder
