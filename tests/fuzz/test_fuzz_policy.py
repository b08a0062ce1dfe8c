"""Fuzzing the policy loader: whatever the bytes, it ends, and says what is wrong where."""

from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from outworks.config import PolicyError, read_policy

GOOD = """
[gateway]
listen = "127.0.0.1:8600"
workers = 2
log = "json"
limits = { body_bytes = 1_000, body_seconds = 1.5 }
[ledger]
path = "outworks.db"
retain_content = "30d"
[[models]]
name = "m"
provider = "scripted"
answers = { "a b" = \"\"\"
c\"\"\" }
chunk_chars = [1, 2]
[[models]]
name = 'n'
provider = "openai"
base_url = "http://127.0.0.1:1/v1"
headers.X-Y = "z"
[defenses.parameter_lock]
allow.temperature = { type = "number", min = 0, max = 1.5 }
pinned."*" = "Be brief."
[defenses.links]
mode = "shadow"
allow = ["*.example.com"]
[defenses.leak]
canaries = ["canary-0123456789"]
canary_pattern = "<(.*)>"
[defenses.fingerprint]
near = 0.5
[[rules]]
name = "r"
description = "d"
when = 'flagged("links", "1h") >= 3 && age < duration("24h")'
action = "limit"
rate_per_minute = 2
expires = "1d"
"""

KEYS = st.sampled_from(
    sorted({word for line in GOOD.split() if (word := line.strip('"[]{},=')).isidentifier()} | {"x"})
)
SCALARS = st.one_of(
    st.text(max_size=12).map(lambda text: '"' + text.encode("unicode_escape").decode().replace('"', '\\"') + '"'),
    st.text(max_size=12).map(lambda text: f"'{text}'"),
    st.integers().map(str),
    st.integers(min_value=0).map(hex),
    st.floats().map(str),
    st.sampled_from(
        ["true", "1979-05-27", "07:32:00", '"30d"', "'~nobody/x'", '"\\u0000"', '"live"', '"openai"', '"local"']
    ),
    st.sampled_from(
        ["'a{99999999}'", "'(((((((('", "'\\x01'", "'http://[::'", "'1 / 0 == blocked(\"1h\")'", "'[' * 9", "''"]
    ),
    st.sampled_from([300, 5_000]).map(lambda n: "'" + "a" * n + "'"),
    st.sampled_from([50, 3_000]).map(lambda n: "'" + "(" * n + ")" * n + "'"),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(KEYS, inner), max_size=3).map(lambda p: f"{{ {', '.join(f'{k} = {v}' for k, v in p)} }}")
    ),
    max_leaves=4,
)
LINES = st.one_of(
    st.lists(KEYS, min_size=1, max_size=3).map(lambda keys: f"[{'.'.join(keys)}]"),
    KEYS.map(lambda key: f"[[{key}]]"),
    st.sampled_from(["[[models]]", "[[rules]]", "[gateway]", "[defenses.leak]", "[defenses.links]", "[ledger]"]),
    st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}"),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good policy with lines exchanged, dropped or put in, and then bytes."""
    lines = GOOD.split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        lines[at : at + draw(st.integers(0, 2))] = draw(st.lists(LINES, max_size=2))
        lines = lines or [""]
    data = bytearray("\n".join(lines).encode("utf-8", "replace"))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


@st.composite
def revalued(draw: st.DrawFn) -> bytes:
    """A good policy with the values of some keys exchanged."""
    lines = GOOD.split("\n")
    places = [place for place, line in enumerate(lines) if " = " in line and '"""' not in line]
    for at in draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        lines[at] = f"{lines[at].partition(' = ')[0]} = {draw(VALUES)}"
    return "\n".join(lines).encode("utf-8", "replace")


def test_the_seed_is_good() -> None:
    """The policy that the fuzzing starts from is one without faults, so that its mutants reach every check."""
    assert len(read_policy(GOOD.encode(), Path("outworks.toml"), environ={}).models) == 2


@settings(max_examples=300, deadline=10_000, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        mutated(), revalued(), st.lists(LINES, max_size=12).map("\n".join).map(str.encode), st.binary(max_size=200)
    )
)
@example(b"")
@example(b"\x00")
@example(b"[[models]]\n" * 3_000)
@example(GOOD.replace("3 &&", "3 && " + "(" * 2_000 + "true" + ")" * 2_000 + " &&").encode())
@example(GOOD.replace("<(.*)>", "(" * 5_000).encode())
@example(GOOD.replace("outworks.db", "a" * 5_000).encode())
def test_every_file_is_a_policy_or_an_error_with_lines(data: bytes) -> None:
    """Any bytes at all either are a policy or raise `PolicyError`, whose every fault names a line within the file."""
    last = data.count(b"\n") + 1
    for environ in ({}, None):
        error = refusal(data, environ)

        if error is not None:
            assert error.faults
            assert all(1 <= fault.line <= last and fault.message for fault in error.faults)
            assert str(error).startswith("outworks.toml:")


def refusal(data: bytes, environ: dict[str, str] | None) -> PolicyError | None:
    try:
        read_policy(data, Path("outworks.toml"), environ=environ)
    except PolicyError as error:
        return error
    return None
