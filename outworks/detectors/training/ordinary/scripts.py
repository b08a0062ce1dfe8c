"""scripts: generated HTML, CSS, shell, SQL, Vim and YAML."""

# mypy: disable-error-code="no-untyped-call"
# ruff: noqa: E501, E731, S608 -- templates and word lists read best whole

from collections.abc import Callable

from outworks.detectors.training.ordinary.kinds import Kinds


class Scripts(Kinds):
    """What configures, queries and marks up."""

    def html(self) -> str:
        rng, word = self.rng, self._word
        tag = lambda: rng.choice(
            [
                "div",
                "p",
                "span",
                "a",
                "ul",
                "li",
                "h1",
                "h2",
                "td",
                "tr",
                "table",
                "form",
                "input",
                "button",
                "section",
                "nav",
                "img",
                "script",
            ]
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
