"""ordinary: text that no corpus holds enough of, generated: encodings, code, logs, tables, mathematics, lists, names."""

# mypy: disable-error-code="no-untyped-call"
# ruff: noqa: E501, E731, SIM905, S608 -- templates and word lists read best whole

import base64
import json
import random
import string
import time
import uuid
from collections.abc import Callable, Sequence

EMOJI = [chr(c) for c in (*range(0x1F300, 0x1F650), *range(0x2600, 0x27BF), *range(0x1F900, 0x1F9FF))]
FACES = r"(╯°□°)╯︵┻━┻ ¯\_(ツ)_/¯ (>_<) ^_^ <3 :) :-( ;P xD (ಠ_ಠ) o_O T_T :'( =) !!! ??? <33 \o/ :3".split()
GREEK = "alpha beta gamma theta lambda mu sigma phi pi epsilon omega Delta Gamma Omega".split()
PACKAGES = "amsmath inputenc graphicx hyperref tikz fontenc booktabs babel xcolor geometry listings enumitem".split()
ART = ("/\\|_- ", "#. ", "*o ", "+-| ", "=~^ ", "@%#*+=-:. ", "▓▒░ ", "─│┌┐└┘├ ")
SMILES = "C C c1 N O (=O) c 1 2 [C@H] [N+] = # ( ) Cl Br / \\ S F n [O-] .".split()
REGEX = r"\d+ \w* [a-z] [A-Z0-9._%+-]+ (?: ( ) | ^ $ {2,4} \. \s* [^\"]* ? + *? @ \b [^/]+ \/ (?=.* !)".split()
BOUNDS = ("0", "n", "N", "m", "\\infty")
VARIABLES = "xyzabnmkuvpqrst"


def generated(seed: int, words: Sequence[str], number: int, *, held_out: bool) -> dict[str, list[str]]:
    """`number` texts of each kind. `held_out` adds kinds that are never trained on."""
    made = _Kinds(random.Random(seed), words)
    kinds: list[Callable[[], str]] = [
        made.base64, made.base32, made.hex, made.uuids, made.urls, made.log, made.table, made.minified_json, made.emoji,
        made.latex, made.latex, made.unicode_maths, made.plain_maths, made.regex, made.keysmash, made.passwords,
        made.word_list, made.hashtags, made.identifiers, made.dna, made.protein, made.smiles, made.chess,
        made.ascii_art, made.leet, made.tickets, made.bytes_literal, made.names,
        made.python, made.python, made.c, made.javascript, made.minified, made.minified, made.html, made.css, made.shell,
        made.sql, made.vim, made.yaml, made.diff, made.query,
    ]  # fmt: skip
    texts: dict[str, list[str]] = {}
    for kind in (*kinds, made.repeated) if held_out else kinds:
        texts.setdefault(kind.__name__, []).extend(kind() for _ in range(number))
    return texts


class _Kinds:
    """One method a kind; each returns one text."""

    def __init__(self, rng: random.Random, words: Sequence[str]) -> None:
        self.rng = rng
        self._words = words

    def _some(self, number: int) -> list[str]:
        return self.rng.choices(self._words, k=number)

    def _word(self) -> str:
        return self.rng.choice(self._words)

    def _joined(self, separators: Sequence[str], low: int, high: int, make: Callable[[], str]) -> str:
        return self.rng.choice(separators).join(make() for _ in range(self.rng.randint(low, high)))

    def base64(self) -> str:
        text = base64.b64encode(self.rng.randbytes(self.rng.randint(24, 900))).decode()
        form = self.rng.randrange(8)
        if form == 0:
            return "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
        if form == 1:
            return text.replace("+", "-").replace("/", "_").rstrip("=")
        if form == 2:
            return "data:image/png;base64," + text
        if form == 3:
            return ".".join(base64.urlsafe_b64encode(self.rng.randbytes(n)).decode().rstrip("=") for n in (27, 60, 32))
        if form == 4:
            lines = "\n".join(text[i : i + 64] for i in range(0, len(text), 64))
            return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----"
        return f"ssh-rsa {text} user@{self._word()}" if form == 5 else text

    def base32(self) -> str:
        return base64.b32encode(self.rng.randbytes(self.rng.randint(20, 300))).decode()

    def hex(self) -> str:
        text = self.rng.randbytes(self.rng.randint(8, 300)).hex()
        pairs = [text[i : i + 2] for i in range(0, len(text), 2)]
        dump = (f"{i * 16:08x}  {' '.join(pairs[i * 16 : i * 16 + 16])}" for i in range(1 + len(pairs) // 16))
        forms = text, text.upper(), " ".join(pairs), ":".join(pairs), "\n".join(dump), f"0x{text}"
        return self.rng.choice((*forms, ", ".join("0x" + pair for pair in pairs)))

    def bytes_literal(self) -> str:
        body = "".join(f"\\x{byte:02x}" for byte in self.rng.randbytes(self.rng.randint(10, 120)))
        return (
            self.rng.choice(('b"', "'", 'shellcode = b"')) + self.rng.choice((body, '"\nb"'.join(_cut(body, 56)))) + '"'
        )

    def uuids(self) -> str:
        return self._joined(("\n", ", ", " ", "','"), 1, 20, lambda: str(uuid.UUID(bytes=self.rng.randbytes(16))))

    def urls(self) -> str:
        return self._joined(("\n", " ", ", "), 1, 6, self._url)

    def _url(self) -> str:
        rng = self.rng
        host = "".join(self._some(rng.randint(1, 2))).lower() + rng.choice(
            (".com", ".org", ".io", ".co.uk", ".de", ".gov")
        )
        url = (
            rng.choice(("https://", "http://", "www.", ""))
            + rng.choice(("", "www.", "api.", "docs.", "m."))
            + host
            + "/"
        )
        url += "/".join(self._segment() for _ in range(rng.randint(0, 5)))
        if rng.random() < 0.6:
            url += "?" + "&".join(f"{self._word()}={self._value()}" for _ in range(rng.randint(1, 8)))
        return url + (f"#{self._word()}" if rng.random() < 0.2 else "")

    def _segment(self) -> str:
        slug = self.rng.choice("-_").join(self._some(self.rng.randint(1, 4)))
        return slug if self.rng.random() < 0.7 else self._value()

    def _value(self) -> str:
        rng = self.rng
        token = base64.urlsafe_b64encode(rng.randbytes(rng.randint(6, 40))).decode()
        values = self._word(), str(rng.randrange(10**8)), rng.randbytes(rng.randint(4, 20)).hex(), token
        return rng.choice((*values, "%20".join(self._some(3)), "%2F".join(self._some(2))))

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

    def _cell(self) -> str:
        rng = self.rng
        number = str(rng.randrange(10 ** rng.randint(1, 7))), f"{rng.random() * 1000:.2f}", f"${rng.randrange(9999)}"
        other = (
            "",
            "N/A",
            "✓",
            "-",
            f"{rng.random() * 100:.1f}%",
            f"2024-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
        )
        words = self._word(), " ".join(self._some(2)), self._word().capitalize(), f"{self._word()}@{self._word()}.com"
        return rng.choice((*words, *number, *other, rng.randbytes(3).hex().upper()))

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

    def emoji(self) -> str:
        make = (
            lambda: "".join(self.rng.choices(EMOJI, k=self.rng.randint(1, 6))),
            lambda: " ".join(self._some(self.rng.randint(1, 5))),
            lambda: self.rng.choice(FACES),
            lambda: self.rng.choice("#@") + self._word(),
        )
        return self._joined((" ",), 4, 25, lambda: self.rng.choice(make)())

    def _formula(self, depth: int = 0) -> str:
        rng = self.rng
        v = rng.choice(VARIABLES)
        if depth > 3 or rng.random() < 0.3:
            sub = (
                f"{v}_{rng.choice('ijkn012')}",
                f"{v}_{{{rng.choice('ij')}{rng.choice('+-')}1}}",
                f"{v}^{rng.choice('23n')}",
            )
            styles = (
                f"\\mathbf{{{v}}}",
                f"\\mathbb{{{rng.choice('RNZCQE')}}}",
                f"\\mathcal{{{rng.choice('LNFO')}}}",
                f"\\hat{{{v}}}",
            )
            return rng.choice((v, "\\" + rng.choice(GREEK), str(rng.randrange(20)), *sub, *styles))
        inner = lambda: self._formula(depth + 1)
        operator = rng.choice(
            (" + ", "+", "-", " - ", " \\cdot ", " = ", "=", " \\leq ", "\\times ", " \\in ", " \\to ", " \\neq ")
        )
        makes: tuple[Callable[[], str], ...] = (
            lambda: f"\\frac{{{inner()}}}{{{inner()}}}",
            lambda: inner() + operator + inner(),
            lambda: f"\\sqrt{{{inner()}}}",
            lambda: f"\\left({inner()}\\right)",
            lambda: f"\\sum_{{{rng.choice('ijkn')}=1}}^{{{rng.choice(BOUNDS)}}} {inner()}",
            lambda: f"\\int_{{{self._formula(4)}}}^{{{self._formula(4)}}} {inner()} \\, d{v}",
            lambda: f"\\{rng.choice(('sin', 'cos', 'log', 'exp', 'ln', 'tan', 'max', 'min', 'det'))}({inner()})",
            lambda: f"e^{{{inner()}}}",
            lambda: f"\\|{inner()}\\|_2",
            lambda: f"\\lim_{{{v} \\to {rng.choice(BOUNDS)}}} {inner()}",
            lambda: (
                "\\begin{pmatrix}"
                + " \\\\ ".join(" & ".join(self._formula(4) for _ in range(3)) for _ in "12")
                + "\\end{pmatrix}"
            ),
            lambda: f"\\text{{{self._word()}}}",
            lambda: f"\\partial {self._formula(4)} / \\partial {v}",
        )
        return rng.choice(makes)()

    def _prose(self) -> str:
        return " ".join(self._some(self.rng.randint(3, 12))).capitalize()

    def latex(self) -> str:
        rng, prose, formula = self.rng, self._prose, self._formula
        form = rng.random()
        if form < 0.4:
            label = f"\n\\label{{eq:{self._word()}}}\n\\end{{equation}}\n"
            around = (" $", "$"), (" \\(", "\\)"), (" $$", "$$"), ("\n\\[", "\\]\n"), ("\n\\begin{equation}\n", label)
            return " ".join(formula().join(rng.choice(around)).join((prose(), "")) for _ in range(rng.randint(1, 5)))
        if form < 0.6:
            lines = " \\\\\n".join(f"{formula()} &= {formula()}" for _ in range(rng.randint(2, 5)))
            return f"\\begin{{align*}}\n{lines}\n\\end{{align*}}"
        if form < 0.8:
            return self._document()
        if form < 0.9:
            rows = " \\\\\n".join(" & ".join(self._cell() for _ in range(3)) for _ in range(5))
            return f"\\begin{{tabular}}{{{rng.choice(('lcr', '|l|c|c|', 'll'))}}}\n\\hline\n{rows} \\\\\n\\hline\n\\end{{tabular}}"
        draw = lambda: (
            f"\\draw[{rng.choice(('->', 'thick', 'dashed', 'blue, fill=red'))}] ({rng.randrange(9)},{rng.randrange(9)}) -- "
            f"({rng.randrange(9)},{rng.randrange(9)}) node[{rng.choice(('above', 'right', 'midway'))}] {{${formula(3)}$}};\n"
        )
        return "\\begin{tikzpicture}\n" + "".join(draw() for _ in range(5)) + "\\end{tikzpicture}"

    def _document(self) -> str:
        rng, prose, word = self.rng, self._prose, self._word
        uses = "".join(
            f"\\usepackage{rng.choice(('', '[utf8]', '[T1]'))}{{{name}}}\n" for name in rng.sample(PACKAGES, 4)
        )
        kind = rng.choice(("itemize", "enumerate", "description"))
        items = "".join(f"  \\item {prose()} ${self._formula()}$\n" for _ in range(3))
        return (
            f"\\documentclass[11pt]{{article}}\n{uses}\\newcommand{{\\{word()}}}[1]{{\\textbf{{#1}}}}\n\\begin{{document}}\n"
            f"\\section{{{prose()}}}\n{prose()} \\cite{{{word()}2020}}, \\ref{{fig:{word()}}} \\textit{{{prose()}}} "
            f"\\footnote{{{prose()}}}\n\\begin{{{kind}}}\n{items}\\end{{{kind}}}\n\\begin{{figure}}[htbp]\n\\centering\n"
            f"\\includegraphics[width=0.{rng.randrange(3, 9)}\\textwidth]{{figures/{word()}.pdf}}\n"
            f"\\caption{{{prose()}}}\n\\end{{figure}}\n\\end{{document}}"
        )

    def unicode_maths(self) -> str:
        rng, signs = self.rng, "∑∫√≤≥≠≈∞∂∇∈∉⊂∪∩→⇒∀∃±×÷·αβγδεθλμπσφω²³ⁿ₁₂"
        make = (
            lambda: rng.choice(signs),
            lambda: rng.choice(VARIABLES),
            lambda: str(rng.randrange(50)),
            lambda: rng.choice(VARIABLES) + rng.choice("²³₁₂") + rng.choice("+-="),
            lambda: f"({rng.choice(VARIABLES)}{rng.choice('+-*/^')}{rng.randrange(9)})",
            self._word,
        )
        return self._joined((" ",), 6, 60, lambda: rng.choice(make)())

    def plain_maths(self) -> str:
        parts = (*"()+-*/^=<>, ", " = ", " + ", "sqrt(", "sin(", "log(", ".5", *VARIABLES, *map(str, range(12)))
        return self.rng.choice(("Solve ", "Calculate ", "", "simplify: ")) + self._joined(
            ("",), 6, 60, lambda: self.rng.choice(parts)
        )

    def regex(self) -> str:
        return self.rng.choice(("", "re: ", 'pattern = r"')) + self._joined(
            ("",), 5, 35, lambda: self.rng.choice((*REGEX, self._word()))
        )

    def keysmash(self) -> str:
        rng = self.rng
        mash = lambda: "".join(
            rng.choice(rng.choice(("qwertyuiop", "asdfghjkl", "zxcvbnm"))) for _ in range(rng.randint(4, 20))
        )
        shout = lambda: rng.choice(("lol", "omg", "aaaaaaa", "hahahaha", "wtfff", "???", "!!!!", "nooooo"))
        return self._joined((" ",), 1, 10, lambda: rng.choice((mash, shout, self._word))())

    def passwords(self) -> str:
        letters = string.ascii_letters + string.digits + "!@#$%&*-_"
        make = lambda: "".join(self.rng.choices(letters, k=self.rng.randint(8, 20)))
        return self._joined(("\n", ", ", " ", " my password is "), 1, 4, make)

    def word_list(self) -> str:
        return self._joined((" ", ", ", "\n", " | ", " - ", "; ", ","), 4, 60, self._word)

    def names(self) -> str:
        return self._joined(
            (", ", " ", "\n", " & "), 3, 20, lambda: " ".join(word.capitalize() for word in self._some(2))
        )

    def hashtags(self) -> str:
        return self._joined(
            (" ",), 3, 30, lambda: self.rng.choice("##@$") + "".join(w.capitalize() for w in self._some(2))
        )

    def identifiers(self) -> str:
        some, word = self._some, self._word
        make = (
            lambda: "_".join(some(self.rng.randint(1, 4))),
            lambda: word() + "".join(each.capitalize() for each in some(self.rng.randint(1, 3))),
            lambda: "_".join(some(2)).upper(),
            lambda: "-".join(some(3)),
            lambda: ".".join(some(3)) + "()",
            lambda: "/" + "/".join(some(3)) + ".py",
            lambda: "C:\\" + "\\".join(some(3)) + ".txt",
            lambda: f"--{'-'.join(some(2))}={word()}",
            lambda: "$" + word().upper(),
            lambda: "v" + ".".join(str(self.rng.randrange(20)) for _ in range(3)),
        )
        return self._joined(("\n", ", ", " "), 3, 25, lambda: self.rng.choice(make)())

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

    def ascii_art(self) -> str:
        ink = self.rng.choice(ART)
        return "\n".join(
            "".join(self.rng.choices(ink, k=self.rng.randint(10, 60))) for _ in range(self.rng.randint(4, 18))
        )

    def leet(self) -> str:
        return " ".join(self._some(self.rng.randint(4, 30))).translate(str.maketrans("aeiost", "43105+"))

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

    def _camel(self) -> str:
        first, *rest = self._some(self.rng.randint(1, 3))
        return first + "".join(word.capitalize() for word in rest)

    def _snake(self) -> str:
        return "_".join(self._some(self.rng.randint(1, 3)))

    def _term(self, name: Callable[[], str], depth: int = 0) -> str:
        """An expression as most languages write it."""
        rng = self.rng
        inner = lambda: self._term(name, depth + 1)
        if depth > 2 or rng.random() < 0.35:
            text = f'"{" ".join(self._some(rng.randint(1, 4)))}"'
            return rng.choice(
                (name(), name(), str(rng.randrange(100)), text, f"'{self._word()}'", f"0x{rng.randrange(999):x}")
            )
        makes: tuple[Callable[[], str], ...] = (
            lambda: f"{name()}({', '.join(inner() for _ in range(rng.randint(0, 3)))})",
            lambda: (
                f"{inner()} {rng.choice(('+', '-', '*', '/', '==', '!=', '<', '>=', '&&', '||', '%', '<<', '|'))} {inner()}"
            ),
            lambda: f"{name()}.{name()}",
            lambda: f"{name()}[{inner()}]",
            lambda: f"!{name()}",
            lambda: f"({inner()})",
            lambda: f"{name()}.{name()}({inner()})",
        )
        return rng.choice(makes)()

    def python(self) -> str:
        rng, name, word = self.rng, self._snake, self._word
        term = lambda: self._term(name).replace("&&", "and").replace("||", "or").replace("!", "not ", 1)
        makes: tuple[Callable[[], str], ...] = (
            lambda: f"def {name()}({', '.join(name() for _ in range(rng.randint(0, 3)))}):\n    return {term()}",
            lambda: (
                f"for {word()} in {term()}:\n    {name()} = {term()}\n    if {term()}:\n        {rng.choice(('break', 'continue', 'pass'))}"
            ),
            lambda: f"import {word()}\nfrom {word()}.{word()} import {name()} as {word()}",
            lambda: f"{name()} = [{term()} for {word()} in {name()} if {term()}]",
            lambda: f"{name()} = {{{', '.join(f'{chr(39)}{word()}{chr(39)}: {term()}' for _ in range(3))}}}",
            lambda: f'print(f"{word()}: {{{name()}:.{rng.randrange(5)}f}} {word()}")',
            lambda: (
                f"class {word().capitalize()}({word().capitalize()}):\n    def __init__(self, {name()}=None):\n        self.{name()} = {term()}"
            ),
            lambda: f"with open('{word()}.txt', 'r') as f:\n    {name()} = f.read().split('\\n')",
            lambda: (
                f"try:\n    {term()}\nexcept {word().capitalize()}Error as e:\n    raise ValueError(f'{{e}}') from e"
            ),
            lambda: f'@{word()}.{name()}("/{word()}/<int:{word()}>")',
            lambda: f"{name()} = lambda x, y: {term()}  # {' '.join(self._some(4))}",
            lambda: f"assert {term()}, '{word()}'",
        )
        fence = rng.choice(("{}", "{}", "```python\n{}\n```"))
        return fence.replace("{}", "\n".join(rng.choice(makes)() for _ in range(rng.randint(2, 12))))

    def c(self) -> str:
        rng, name, word = self.rng, self._snake, self._word
        kind = lambda: rng.choice(
            (
                "int",
                "char *",
                "void",
                "size_t",
                "const char *",
                "double",
                "struct " + word(),
                "std::vector<int>",
                "auto&",
            )
        )
        term = lambda: self._term(name)
        makes: tuple[Callable[[], str], ...] = (
            lambda: f"#include <{word()}.h>\n#define {word().upper()}_{word().upper()} {rng.randrange(999)}",
            lambda: f"{kind()} {name()}({kind()} {name()}, {kind()} {name()}) {{\n    return {term()};\n}}",
            lambda: f"for (int i = 0; i < {name()}; i++) {{ {name()}[i] = {term()}; }}",
            lambda: f"if ({term()}) {{\n    {name()}->{name()} = {term()};\n}} else {{ *{word()} = &{name()}; }}",
            lambda: f'printf("%d: %s\\n", {term()}, {name()});',
            lambda: f"std::cout << {term()} << std::endl;",
            lambda: (
                f"switch ({name()}) {{ case '{word()[0]}': {name()}(); break; default: return -{rng.randrange(9)}; }}"
            ),
            lambda: (
                f"public static {kind()} {self._camel()}(final {word().capitalize()}<{word().capitalize()}> {word()}) throws IOException {{"
            ),
            lambda: (
                f"fn {name()}(&mut self, {word()}: &str) -> Result<{word().capitalize()}, Box<dyn Error>> {{ Ok({term()}?) }}"
            ),
            lambda: (
                f"func ({word()[0]} *{word().capitalize()}) {self._camel()}({word()} []byte) error {{ if err != nil {{ return err }} }}"
            ),
            lambda: f"/* {' '.join(self._some(6))} */",
        )
        return "\n".join(rng.choice(makes)() for _ in range(rng.randint(2, 10)))

    def javascript(self) -> str:
        rng, name, word = self.rng, self._camel, self._word
        term = lambda: self._term(name)
        makes: tuple[Callable[[], str], ...] = (
            lambda: f"const {name()} = ({word()}, {word()}) => {{ return {term()}; }};",
            lambda: f"import {{ {name()}, {name()} }} from './{word()}/{word()}.js';",
            lambda: f"document.querySelector('#{word()}').addEventListener('{word()}', (e) => {{ {term()}; }});",
            lambda: f"let {name()} = `${{{name()}}} {word()} ${{{term()}}}`;",
            lambda: (
                f"await fetch(`/{word()}/${{{name()}}}`, {{ method: 'POST', body: JSON.stringify({{ {word()}: {term()} }}) }});"
            ),
            lambda: f"{name()}.map(x => x.{name()}).filter(Boolean).forEach(({{ {word()}, ...rest }}) => {term()});",
            lambda: f"if ({term()} === undefined) throw new Error('{' '.join(self._some(3))}');",
            lambda: f"$('.{word()}-{word()}').on('click', function() {{ $(this).{word()}('{word()}'); }});",
            lambda: f"return <{word().capitalize()} {word()}={{{name()}}} onClick={{() => {name()}({term()})}} />;",
            lambda: (
                f"export default class {word().capitalize()} extends {word().capitalize()} {{ static #{word()} = {term()}; }}"
            ),
        )
        return "\n".join(rng.choice(makes)() for _ in range(rng.randint(2, 10)))

    def minified(self) -> str:
        rng = self.rng
        short = lambda: rng.choice("abcdefghijklmnoprstuvxyzA_$") + rng.choice(("", "", "", rng.choice("abcnt0")))
        name = lambda: rng.choice((short, short, self._camel))()
        term = lambda: self._term(name).replace(" ", "")
        makes: tuple[Callable[[], str], ...] = (
            lambda: f"function {short()}({short()},{short()}){{return {term()}}}",
            lambda: f"var {short()}={term()},{short()}={term()};",
            lambda: f"{short()}.{self._camel()}=function({short()}){{{term()}}},",
            lambda: f"({short()},{short()})=>{{{term()};{term()}}}",
            lambda: f"if({term()}){short()}={term()};else{{{term()}}}",
            lambda: f"{short()}?{term()}:{term()},",
            lambda: f"for(var {short()}=0;{short()}<{short()}.length;++{short()}){term()};",
            lambda: f"!function({short()}){{'use strict';{term()}}}(this);",
            lambda: f"void 0===({short()}={short()}.{self._camel()})&&{term()};",
            lambda: f'e.exports={{{self._word()}:{term()},"{self._word()}-{self._word()}":!{rng.randrange(2)}}};',
        )
        return "".join(rng.choice(makes)() for _ in range(rng.randint(4, 40)))

    def html(self) -> str:
        rng, word = self.rng, self._word
        tag = lambda: rng.choice(
            "div p span a ul li h1 h2 td tr table form input button section nav img script".split()
        )
        attribute = lambda: rng.choice(
            (
                f'class="{word()} {word()}-{rng.randrange(12)}"',
                f'id="{word()}"',
                f'href="/{word()}?{word()}={rng.randrange(99)}&amp;x=1"',
                f'style="{word()}: {rng.randrange(99)}px;"',
                f"data-{word()}='{word()}'",
            )
        )
        piece = lambda: (
            lambda t: (
                f"<{t} {' '.join(attribute() for _ in range(rng.randint(0, 3)))}>{self._prose() if rng.random() < 0.7 else '&nbsp;'}</{t}>"
            )
        )(tag())
        return ("<!DOCTYPE html>\n<html><body>\n" if rng.random() < 0.3 else "") + self._joined(
            ("", "\n", "\n  "), 2, 14, piece
        )

    def css(self) -> str:
        rng, word = self.rng, self._word
        value = lambda: rng.choice(
            (f"{rng.randrange(99)}px", "#" + rng.randbytes(3).hex(), word(), "1em 0", ".5rem!important")
        )
        body = lambda: ";".join(f"{word()}-{word()}:{value()}" for _ in range(rng.randint(1, 5)))
        rule = lambda: rng.choice(".#") + word() + rng.choice((":hover", "", " > a", "::before")) + "{" + body() + "}"
        return self._joined(("", "\n", "\n\n"), 2, 14, rule)

    def shell(self) -> str:
        rng, word, flags = (
            self.rng,
            self._word,
            lambda: rng.choice(("-l", "-rf", "--all", "-n 5", f"--{self._word()}={self._word()}", "-xzf", "-p")),
        )
        makes: tuple[Callable[[], str], ...] = (
            lambda: f"$ {word()} {flags()} {word()} | grep {flags()} '{word()}' | awk '{{print ${rng.randrange(9)}}}'",
            lambda: f'for f in *.{word()[:3]}; do {word()} "$f" > "${{f%.*}}.{word()[:3]}"; done',
            lambda: f'export {word().upper()}_{word().upper()}="${{{word().upper()}:-/usr/{word()}}}"',
            lambda: f'if [ -z "${word()}" ]; then echo "{self._prose()}" >&2; exit 1; fi',
            lambda: f"sudo {word()} {flags()} /etc/{word()}/{word()}.conf && systemctl restart {word()}",
            lambda: f"docker run {flags()} -v $(pwd):/{word()} {word()}/{word()}:{rng.randrange(9)}.{rng.randrange(9)}",
            lambda: f"sed -i 's/{word()}/{word()}/g; s#{word()}#\\1#' {word()}.txt",
            lambda: (
                f"curl -s -X POST -H 'Content-Type: application/json' -d '{{\"{word()}\": {rng.randrange(99)}}}' http://localhost:{rng.randrange(9999)}/{word()}"
            ),
        )
        return "\n".join(rng.choice(makes)() for _ in range(rng.randint(1, 8)))

    def sql(self) -> str:
        rng, name, word = self.rng, self._snake, self._word
        makes: tuple[Callable[[], str], ...] = (
            lambda: (
                f"SELECT {', '.join(f'{word()[0]}.{name()}' for _ in range(3))} FROM {name()} {word()[0]} JOIN {name()} ON {word()[0]}.id = {word()[0]}.{name()}_id WHERE {name()} >= {rng.randrange(99)} AND {name()} LIKE '%{word()}%' GROUP BY 1 ORDER BY COUNT(*) DESC LIMIT {rng.randrange(99)};"
            ),
            lambda: (
                f"CREATE TABLE {name()} (id SERIAL PRIMARY KEY, {name()} VARCHAR({rng.randrange(255)}) NOT NULL DEFAULT '', {name()} INT REFERENCES {name()}(id));"
            ),
            lambda: (
                f"INSERT INTO `{name()}` (`{name()}`, `{name()}`) VALUES ('{word()}', {rng.randrange(999)}), ('{word()}', NULL);"
            ),
            lambda: f"UPDATE {name()} SET {name()} = {name()} + 1 WHERE id IN (SELECT id FROM {name()});",
        )
        return "\n".join(rng.choice(makes)() for _ in range(rng.randint(1, 5)))

    def vim(self) -> str:
        rng, word = self.rng, self._word
        key = lambda: rng.choice(("<CR>", "<C-w>", "<leader>", "<Esc>", "<Plug>", "<S-Tab>"))
        makes: tuple[Callable[[], str], ...] = (
            lambda: f"nnoremap <silent> {key()}{word()[0]} :{word().capitalize()}{key()}",
            lambda: f"setlocal errorformat=%f:%l:%c:\\ %t%*[^:]:\\ %m,%-G%.%#,%E{word()}:%m",
            lambda: f"let g:{word()}_{word()} = {{'{word()}': ['{word()}', '{word()}'], '{word()}': 1}}",
            lambda: f"syn match {word()} /\\v<{word()}(\\d+|[a-z_]*)>/ contains=@{word().capitalize()}",
            lambda: f"autocmd BufRead,BufNewFile *.{word()[:3]} set filetype={word()}",
        )
        return "\n".join(rng.choice(makes)() for _ in range(rng.randint(1, 9)))

    def yaml(self) -> str:
        rng, word = self.rng, self._word
        line = lambda: (
            "  " * rng.randrange(4)
            + rng.choice(
                (
                    f"{word()}: {word()}",
                    f"- {word()}: {rng.randrange(99)}",
                    f"{word()}_{word()}:",
                    f'- "{word()}/{word()}@v{rng.randrange(9)}"',
                    f"{word()}: ${{{{ {word()}.{word()} }}}}",
                    f"{word()}: [{word()}, {word()}]",
                    f"# {self._prose()}",
                    f"{word()}: |",
                )
            )
        )
        return self._joined(("\n",), 3, 20, line)

    def diff(self) -> str:
        rng = self.rng
        body = self.python().split("\n")
        return (
            f"diff --git a/{self._word()}.py b/{self._word()}.py\nindex {rng.randbytes(4).hex()}..{rng.randbytes(4).hex()} 100644\n@@ -{rng.randrange(99)},7 +{rng.randrange(99)},9 @@\n"
            + "\n".join(rng.choice(" +-") + line for line in body)
        )

    def query(self) -> str:
        """A question with code in it, as users paste it."""
        rng = self.rng
        asked = rng.choice(
            (
                "why does this not work?",
                "Explain this code:",
                "fix the bug",
                "What does this print?",
                "refactor this",
                "Write a test for",
            )
        )
        return (
            asked
            + rng.choice((" ", "\n", "\n\n", "\n```\n"))
            + rng.choice((self.python, self.c, self.javascript, self.sql, self.shell, self.regex, self.html))()
        )

    def repeated(self) -> str:
        rng = self.rng
        signs = string.printable[:95] if rng.random() < 0.5 else "_-=*#~.[](){}<>!?/|+ "
        piece = (
            "".join(rng.choices(signs, k=rng.randint(1, 6)))
            if rng.random() < 0.7
            else self._word() + rng.choice(("", " ", ", ", "!"))
        )
        return f"{' '.join(self._some(2))} {piece * rng.randint(8, 80)}"


def _cut(text: str, length: int) -> list[str]:
    return [text[i : i + length] for i in range(0, len(text), length)]
