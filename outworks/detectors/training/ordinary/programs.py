"""programs: generated code: Python, C, JavaScript, minified and not."""

# mypy: disable-error-code="no-untyped-call"
# ruff: noqa: E501, E731 -- templates and word lists read best whole

from collections.abc import Callable

from outworks.detectors.training.ordinary.kinds import Kinds


class Programs(Kinds):
    """Code."""

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
