"""What a GGUF file says of itself, and what is no such file."""

import struct
from pathlib import Path

import pytest

from outworks.models.gguf_head import SYSTEM_PROMPT, GGUFError, check_adapter, head

ADAPTER = {"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora"}


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def pair(key: str, value: str) -> bytes:
    return text(key) + struct.pack("<I", 8) + text(value)


def written(path: Path, pairs: dict[str, str], *, more: bytes = b"", extra: int = 0) -> Path:
    """A file with these strings in its head, and nothing behind it."""
    count = len(pairs) + extra
    path.write_bytes(
        b"GGUF" + struct.pack("<IQQ", 3, 0, count) + more + b"".join(pair(*each) for each in pairs.items())
    )
    return path


def test_every_kind_of_value_is_read_over(tmp_path: Path) -> None:
    """Numbers and arrays before the words that are wanted do not move them."""
    numbers = text("a") + struct.pack("<If", 6, 1.5) + text("b") + struct.pack("<I?", 7, True)
    arrays = text("c") + struct.pack("<IIQ3i", 9, 5, 3, 1, 2, 3)
    words = text("d") + struct.pack("<IIQ", 9, 8, 2) + text("one") + text("two")
    path = written(tmp_path / "a.gguf", ADAPTER | {SYSTEM_PROMPT: ""}, more=numbers + arrays + words, extra=4)

    found = head(path)

    assert (found.architecture, found.kind, found.adapter, found.system_prompt) == ("llama", "adapter", "lora", "")


def test_the_embedded_file_says_what_it_is(embedded: Path) -> None:
    """A real file with 49,152 words in its head is read; nobody noted a system prompt in it."""
    found = head(embedded)

    assert (found.architecture, found.kind, found.system_prompt) == ("llama", "model", None)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "does not begin with `GGUF`"),
        (b"PK\x03\x04 and so on", "does not begin with `GGUF`"),
        (b"GGUF" + struct.pack("<I", 9), "is GGUF version 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1), "cut off"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 40), "announces"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 60), "cut off"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<I", 77), "there is no type 77"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 4, 1 << 50), "cut off"),
    ],
)
def test_what_is_no_gguf_file_is_said_and_named(tmp_path: Path, content: bytes, why: str) -> None:
    """Another file, a newer version, a cut one, and one whose lengths cannot be."""
    path = tmp_path / "x.gguf"
    path.write_bytes(content)

    with pytest.raises(GGUFError, match=why) as caught:
        head(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """So is a folder."""
    for path in (tmp_path / "nothing.gguf", tmp_path):
        with pytest.raises(GGUFError, match=str(path)):
            head(path)


def test_a_model_is_no_adapter(tmp_path: Path) -> None:
    """The setting `adapter` with a whole model in it is an error that says what was found."""
    path = written(tmp_path / "m.gguf", {"general.architecture": "llama", "general.type": "model"})

    with pytest.raises(GGUFError, match="holds a model of llama; expected a LoRA adapter"):
        check_adapter(path)


def test_an_adapter_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    """Where it was looked for, without detours, and the commands that write it there."""
    with pytest.raises(GGUFError) as caught:
        check_adapter(tmp_path / "a" / ".." / "adapter.gguf")

    said = str(caught.value)
    assert f"adapter is '{tmp_path}/adapter.gguf', where there is none" in said
    assert "`outworks lab align --method sft --out DIR`" in said
    assert f"`outworks lab export DIR --out {tmp_path}/adapter.gguf`" in said


def test_an_adapter_for_another_architecture_does_not_fit(tmp_path: Path) -> None:
    """Both files and both architectures are named; one of the same fits."""
    adapter = written(tmp_path / "a.gguf", ADAPTER)
    other = written(tmp_path / "q.gguf", {"general.architecture": "qwen2", "general.type": "model"})
    same = written(tmp_path / "l.gguf", {"general.architecture": "llama", "general.type": "model"})

    with pytest.raises(GGUFError, match=r"a\.gguf.*'llama'.*q\.gguf.*'qwen2'"):
        check_adapter(adapter, other)
    assert check_adapter(adapter, same).adapter == "lora"
