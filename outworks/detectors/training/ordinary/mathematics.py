"""mathematics: generated LaTeX and formulas."""

# mypy: disable-error-code="no-untyped-call"
# ruff: noqa: E501, E731, SIM905 -- templates and word lists read best whole

from collections.abc import Callable

from outworks.detectors.training.ordinary.kinds import Kinds

GREEK = "alpha beta gamma theta lambda mu sigma phi pi epsilon omega Delta Gamma Omega".split()
PACKAGES = "amsmath inputenc graphicx hyperref tikz fontenc booktabs babel xcolor geometry listings enumitem".split()
BOUNDS = ("0", "n", "N", "m", "\\infty")
VARIABLES = "xyzabnmkuvpqrst"


class Mathematics(Kinds):
    """Formulas, and what stands around them."""

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
