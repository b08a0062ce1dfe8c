"""Coverage-guided fuzzing of the wires: `python tests/fuzz/fuzz_wires.py -max_total_time=60` (needs atheris)."""

import sys

import atheris

with atheris.instrument_imports(include=["outworks.gateway"]):
    from outworks.gateway.problem import Problem
    from outworks.gateway.wires import WIRES

SEEDS = (
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"stop":"a","tool_choice":"auto","user":"u"}',
    b'{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function",'
    b'"function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":[]}],"stream":true}',
    b'{"model":"m","max_tokens":1,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":'
    b'[{"type":"tool_result","tool_use_id":"a","content":[{"type":"document","source":{"type":"text","data":"d"}}]}]}],'
    b'"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"tool","name":"f"},"metadata":{"user_id":"u"}}',
)


def read(data: bytes) -> None:
    """Every wire reads any bytes, or says what is wrong with them; anything else that is raised is a find."""
    for wire in WIRES:
        try:
            wire.read(data)
        except Problem as problem:
            if problem.status not in (400, 413):
                raise
            wire.problem(problem)


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Start from a request: random bytes alone hardly ever become JSON."""
    if len(data) < 2 or seed % 50 == 0:
        data = SEEDS[seed % len(SEEDS)]
    return atheris.Mutate(data, max_size)


if __name__ == "__main__":
    atheris.Setup(sys.argv, read, custom_mutator=lambda data, size, seed: mutate(bytes(data), size, seed))
    atheris.Fuzz()
