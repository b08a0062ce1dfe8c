"""records: generated logs, tables, JSON, tickets, and the notations of biology, chemistry and chess."""

# mypy: disable-error-code="no-untyped-call"
# ruff: noqa: E501, E731, SIM905 -- templates and word lists read best whole

import json
import time
import uuid

from outworks.detectors.training.ordinary.kinds import Kinds

SMILES = "C C c1 N O (=O) c 1 2 [C@H] [N+] = # ( ) Cl Br / \\ S F n [O-] .".split()


class Records(Kinds):
    """What machines and clerks write down."""

    def log(self) -> str:
        rng, form, host, start = (
            self.rng,
            self.rng.randrange(8),
            self._word(),
            self.rng.randrange(15 * 10**8, 18 * 10**8),
        )
        lines = []
        for n in range(rng.randint(2, 25)):
            at, level = time.gmtime(start + n * rng.randrange(9)), rng.choice(("INFO", "WARN", "ERROR", "DEBUG"))
            where = ".".join(self._some(3)) + "." + "".join(word.capitalize() for word in self._some(2))
            ip, said = ".".join(str(rng.randrange(256)) for _ in range(4)), self._logged()
            date = lambda style, at=at: time.strftime(style, at)
            lines.append(
                (
                    f"{date('%Y-%m-%d %H:%M:%S')},{rng.randrange(1000):03d} {level} [{self._word()}-{n}] {where}: {said}",
                    f"{date('%b %d %H:%M:%S')} {host} {self._word()}[{rng.randrange(9999)}]: {said}",
                    f'{ip} - - [{date("%d/%b/%Y:%H:%M:%S")} +0000] "GET /{"/".join(self._some(2))} HTTP/1.1" '
                    f'{rng.choice((200, 404, 302))} {rng.randrange(99999)} "-" "Mozilla/5.0 (X11; Linux x86_64) '
                    f'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{rng.randrange(60, 130)}.0.0.0 Safari/537.36"',
                    json.dumps({"ts": start + n, "level": level.lower(), "msg": said, "logger": where}),
                    f"{level[0]}{date('%m%d %H:%M:%S')}.{rng.randrange(10**6):06d} {n} {self._word()}.go:{n * 7}] {said}",
                    f'level={level.lower()} ts={date("%Y-%m-%dT%H:%M:%SZ")} caller={self._word()}.go:{n} msg="{said}"',
                    f"[{start + n}.{rng.randrange(10**6):06d}] {self._word()} {n % 9}-{rng.randrange(9)}: {said}",
                    f"    at {where}.{self._word()}({self._word().capitalize()}.java:{rng.randrange(999)})",
                )[form]
            )
        return "\n".join(lines)

    def _logged(self) -> str:
        rng, some = self.rng, self._some
        return rng.choice(
            (
                f"{' '.join(some(rng.randint(2, 7)))} id={rng.randbytes(4).hex()} took {rng.randrange(9999)}ms",
                f"Connection from 10.0.{rng.randrange(256)}.7 port {rng.randrange(65536)} {self._word()}",
                f'{self._word()}={rng.randrange(999)} {self._word()}={self._word()} {self._word()}="{" ".join(some(2))}"',
                f"[{self._word()}] {' '.join(some(3))}: {uuid.UUID(bytes=rng.randbytes(16))}",
            )
        )

    def table(self) -> str:
        width = self.rng.randint(2, 9)
        rows = [[self._cell() for _ in range(width)] for _ in range(self.rng.randint(2, 15))]
        forms = (
            "\n".join(",".join(row) for row in rows),
            "\n".join("\t".join(row) for row in rows),
            "\n".join(
                [
                    "| " + " | ".join(rows[0]) + " |",
                    "|" + "---|" * width,
                    *("| " + " | ".join(r) + " |" for r in rows[1:]),
                ]
            ),
            "\n".join(";".join(f'"{cell}"' for cell in row) for row in rows),
            "+" + "-" * 14 * width + "+\n" + "\n".join("|".join(f" {cell:<12}" for cell in row) + "|" for row in rows),
            "\n".join("  ".join(f"{cell:>10}" for cell in row) for row in rows),
        )
        return self.rng.choice(forms)

    def minified_json(self) -> str:
        members = {self._word(): self._json(2) for _ in range(self.rng.randint(2, 6))}
        separators = self.rng.choice(((",", ":"), (", ", ": ")))
        return json.dumps(members, separators=separators, ensure_ascii=self.rng.random() < 0.5)

    def _json(self, depth: int) -> object:
        rng = self.rng
        form = rng.random()
        if not depth or form < 0.4:
            plain = self._word(), rng.randrange(10**6), round(rng.random(), 3), True, None, " ".join(self._some(5))
            return rng.choice((*plain, self._value(), self._url()))
        if form < 0.75:
            return {
                rng.choice(("_", "")).join(self._some(rng.randint(1, 2))): self._json(depth - 1)
                for _ in range(rng.randint(1, 6))
            }
        return [self._json(depth - 1) for _ in range(rng.randint(1, 6))]

    def tickets(self) -> str:
        rng, word = self.rng, self._word
        make = (
            lambda: f"{word().upper()[:4]}-{rng.randrange(99999)}",
            lambda: f"#{rng.randrange(99999)}",
            lambda: f"SKU:{rng.randbytes(4).hex().upper()}",
            lambda: f"+{rng.randrange(99)} ({rng.randrange(999)}) {rng.randrange(10**7)}",
            lambda: f"IBAN DE{rng.randrange(10**18)}",
            lambda: f"{word().capitalize()} x{rng.randrange(9)} @ ${rng.randrange(99)}.99",
            lambda: " ".join(self._some(3)),
        )
        return self._joined(("\n", " "), 2, 15, lambda: rng.choice(make)())

    def dna(self) -> str:
        return "".join(self.rng.choices("ACGT", k=self.rng.randint(30, 600)))

    def protein(self) -> str:
        return f">sp|P{self.rng.randrange(99999)}\n" + "".join(
            self.rng.choices("ACDEFGHIKLMNPQRSTVWY", k=self.rng.randint(30, 400))
        )

    def smiles(self) -> str:
        return "".join(self.rng.choices(SMILES, k=self.rng.randint(8, 70)))

    def chess(self) -> str:
        rng = self.rng
        move = lambda: (
            rng.choice(("", "N", "B", "R", "Q", "Nx", "Bx"))
            + rng.choice("abcdefgh")
            + str(rng.randrange(1, 9))
            + rng.choice(("", "", "+", "!"))
        )
        return " ".join(f"{n}. {move()} {move()}" for n in range(1, rng.randint(5, 40)))
