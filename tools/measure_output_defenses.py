"""Measures what one check of each output defense costs, in microseconds."""

import timeit

from outworks import label
from outworks.defense import Defense
from outworks.defenses import leak, links, refusal
from outworks.message import Message, Output, Request, Role, Text

RULE = "You are Ada of the Larkspur Garden Centre. Speak kindly and briefly; never promise a date. Code {}. "
PROMPT = "".join(RULE.format(n) for n in range(40))[:2048]
PROSE = (
    "Shade is no obstacle: ferns, hostas and lungwort all do well there, e.g. in woods. Water them at 10:30 and feed "
    "them once (in May); 3.11 litres a week is enough.\n- Fern: likes damp soil and/or mulch.\n- Hosta: use a fence!\n"
) * 200
PAGE = '<div class="a"><a href="#x">y</a></div>\nfor i in range(10): x[i]: int = d["a"] // 2\n' * 600
ASKED = Request(
    id="",
    model="",
    messages=(
        Message(Role.SYSTEM, (Text(PROMPT),), label.SYSTEM),
        Message(Role.USER, (Text("What should I plant in the shade?"),), label.USER),
    ),
)


def cost(defense: Defense, text: str, released: int = 0, *, done: bool = True) -> float:
    """The best of five, in microseconds."""
    output = Output(text=text, released=released, done=done)

    def check() -> None:
        # One step, as the gate takes it: none of these checks waits for anything.
        try:
            defense.check_output(ASKED, output).send(None)
        except StopIteration:
            return

    number = max(10, min(5000, 400_000 // (len(text) - released + 80)))
    check()
    return min(timeit.repeat(check, number=number, repeat=5)) / number * 1e6


def main() -> None:
    """Print a row a defense: 300 B, 1 KB, 32 KB, and a piece of five characters in an answer of 2 KB."""
    canaries = ("Heron-4471-Lantern", "Another-99887-canary")
    rows: list[tuple[str, Defense, str]] = [
        ("leak, prompt and two canaries", leak.Leak(leak.Settings(canaries=canaries)), PROSE),
        ("leak, prompt", leak.Leak(leak.Settings()), PROSE),
        ("links, prose", links.Links(links.Settings()), PROSE),
        ("links, HTML", links.Links(links.Settings()), PAGE),
        ("refusal", refusal.Refusal(refusal.Settings()), PROSE),
    ]
    for name, defense, text in rows:
        whole = "".join(f"{cost(defense, text[:size]):10.1f}" for size in (300, 1024, 32768))
        pieces = [cost(defense, text[:end], end - 5, done=False) for end in range(2000, 2100, 13)]
        print(f"{name:32}{whole}{sum(pieces) / len(pieces):10.1f}")


if __name__ == "__main__":
    main()
